-- How many they are, and a mark that is the same where the people are the same.
CREATE TABLE crowds AS
SELECT audience.stream, audience.acl, count(*) AS readers, count(*) FILTER (WHERE people.guest) AS guests,
  md5(string_agg(audience.person, ' ' ORDER BY audience.person)) AS crowd
FROM audience JOIN people ON people.principal = audience.person
GROUP BY audience.stream, audience.acl
