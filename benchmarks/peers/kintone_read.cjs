// Reads a whole app with Cybozu's own client: node kintone_read.cjs id|cursor|offset [condition]; BASE_URL, TOKEN and APP are in the environment.
// Prints one JSON object: what came, seconds of wall and CPU, and peak memory in MB over what loading the client took.
const fs = require('fs');
const { KintoneRestAPIClient } = require('@kintone/rest-api-client');

const peak = () => Number(/VmHWM:\s+(\d+) kB/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
const [way, condition = ''] = process.argv.slice(2);
const app = process.env.APP;
const client = new KintoneRestAPIClient({ baseUrl: process.env.BASE_URL, auth: { apiToken: process.env.TOKEN } });
const ways = {
  id: () => client.record.getAllRecordsWithId({ app, condition }),
  cursor: () => client.record.getAllRecordsWithCursor({ app, query: condition }),
  offset: () => client.record.getAllRecordsWithOffset({ app, condition }),
};

(async () => {
  const before = peak();
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  const records = await ways[way]();
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  const used = process.cpuUsage(cpu);
  const distinct = new Set(records.map((record) => record.$id.value)).size;
  const done = { records: records.length, distinct, wall, cpu: (used.user + used.system) / 1e6, peak_mb: peak() - before };
  console.log(JSON.stringify(done));
})().catch((error) => {
  console.error(JSON.stringify({ code: error.code, status: error.status, message: error.message }));
  process.exit(1);
});
