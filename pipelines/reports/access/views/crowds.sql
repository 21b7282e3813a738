-- How many they are, and a mark that is the same where the people are the same: that two crowds of one size share it by chance is one in 2^64.
CREATE TABLE crowds AS
SELECT audience.acl, count(*) AS readers, count(*) FILTER (WHERE people.guest) AS guests,
  count(*) || ':' || bit_xor(people.mark) AS crowd
FROM audience JOIN people ON people.number = audience.number
GROUP BY audience.acl
