// Signs in through @azure/msal-node, reads one site through @pnp/sp as it comes, and prints what it read as JSON: node sharepoint_read.cjs.
// AUTHORITY, CLIENT_ID, SITE_URL and CERTIFICATE (PEM with key and certificate) or CLIENT_SECRET are in the environment, and in
// NODE_EXTRA_CA_CERTS the CA of the server.
const fs = require('fs');
const path = require('path');
const { X509Certificate, createHash } = require('crypto');
const { pathToFileURL } = require('url');
const { ConfidentialClientApplication } = require('@azure/msal-node');

// @pnp packages are ES modules only, which NODE_PATH does not lead to.
const load = (name) => import(pathToFileURL(path.join(process.env.NODE_PATH, name, 'index.js')).href);
const { AUTHORITY, CLIENT_ID, CLIENT_SECRET, CERTIFICATE, SITE_URL } = process.env;

function credential() {
  if (CLIENT_SECRET) return { clientSecret: CLIENT_SECRET };
  const pem = fs.readFileSync(CERTIFICATE, 'utf8');
  const at = pem.indexOf('-----BEGIN CERTIFICATE');
  const thumbprintSha256 = new X509Certificate(pem.slice(at)).fingerprint256.replaceAll(':', '');
  return { clientCertificate: { thumbprintSha256, privateKey: pem.slice(0, at) } };
}

async function token() {
  const auth = { clientId: CLIENT_ID, authority: AUTHORITY, knownAuthorities: [new URL(AUTHORITY).host], ...credential() };
  const scopes = [`${new URL(SITE_URL).origin}/.default`];
  return (await new ConfidentialClientApplication({ auth }).acquireTokenByClientCredential({ scopes })).accessToken;
}

async function everything(collection) {
  const found = [];
  let pages = 0;
  for await (const page of collection) {
    found.push(...page);
    pages += 1;
  }
  return { pages, found };
}

async function site() {
  const { spfi, DefaultInit, DefaultHeaders } = await load('@pnp/sp');
  const { BrowserFetchWithRetry, DefaultParse, BearerToken } = await load('@pnp/queryable');
  for (const part of ['webs', 'lists', 'items', 'files', 'folders', 'security', 'site-groups', 'site-users']) await load(`@pnp/sp/${part}`);
  return spfi(SITE_URL).using(DefaultInit(), DefaultHeaders(), BrowserFetchWithRetry(), DefaultParse(), BearerToken(await token()));
}

async function rights(securable) {
  const rows = await securable.roleAssignments.expand('Member', 'RoleDefinitionBindings')();
  return Object.fromEntries(rows.map((one) => [one.Member.Title, one.RoleDefinitionBindings.map((role) => role.Id)]));
}

(async () => {
  const { web } = await site();
  const lists = [];
  for (const one of await web.lists.select('Id', 'Title', 'BaseTemplate', 'ItemCount', 'HasUniqueRoleAssignments')()) {
    const list = web.lists.getById(one.Id);
    const items = list.items.select('Id', 'FileRef', 'FSObjType', 'UniqueId', 'HasUniqueRoleAssignments').top(9);
    const { pages, found } = await everything(items);
    const unique = found.filter((item) => item.HasUniqueRoleAssignments).map((item) => item.Id);
    const rightsOf = {};
    for (const id of unique) rightsOf[id] = await rights(list.items.getById(id));
    lists.push({ ...one, pages, items: found, rights: one.HasUniqueRoleAssignments ? await rights(list) : null, rightsOf });
  }
  const files = {};
  const folders = lists.filter((one) => one.BaseTemplate === 101).map((one) => web.lists.getById(one.Id).rootFolder);
  while (folders.length) {
    const folder = folders.pop();
    for (const file of await folder.files()) {
      const bytes = await web.getFileByServerRelativePath(file.ServerRelativeUrl).getBuffer();
      const sha256 = createHash('sha256').update(Buffer.from(bytes)).digest('hex');
      files[file.ServerRelativeUrl] = { id: file.UniqueId, length: Number(file.Length), sha256 };
    }
    for (const below of await folder.folders()) folders.push(web.getFolderByServerRelativePath(below.ServerRelativeUrl));
  }
  const groups = {};
  for (const group of await web.siteGroups()) groups[group.Title] = (await web.siteGroups.getById(group.Id).users()).map((user) => user.Title);
  const users = await web.siteUsers();
  const { Title, Id } = await web();
  const admins = users.filter((user) => user.IsSiteAdmin).map((user) => user.Title);
  console.log(JSON.stringify({ title: Title, id: Id, rights: await rights(web), lists, files, groups, admins }));
})().catch((error) => {
  console.error(JSON.stringify({ code: error.errorCode, status: error.status, message: error.message }));
  process.exit(1);
});
