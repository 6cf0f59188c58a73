// Shows the OpenAPI document of this door. Every text goes in as text, never as markup.

const METHODS = ["get", "post", "patch", "delete"];

function make(tag, attributes, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...inside.filter((part) => part !== null && part !== undefined));
  return element;
}

// The little of Markdown that our texts use: paragraphs, `code` and **bold**.
function paragraphs(text) {
  return (text ?? "").split(/\n{2,}/).filter(Boolean).map((block) => make("p", {}, ...inline(block)));
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return make("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return make("strong", {}, part.slice(2, -2));
    return part;
  });
}

function nameOf(schema) {
  return schema.$ref ? schema.$ref.split("/").pop() : null;
}

function typeOf(schema) {
  const name = nameOf(schema);
  if (name) return make("a", { href: `#schema-${name}` }, name);
  if (schema.anyOf) return join(schema.anyOf.map(typeOf), " or ");
  if (schema.enum) return make("span", {}, schema.enum.filter((value) => value !== null).join(" | "));
  if (schema.type === "array") {
    const items = schema.items ?? schema.prefixItems?.[0] ?? {};
    return join(["list of ", typeOf(items)], "");
  }
  if (schema.type === "object") return join(["map of ", typeOf(schema.additionalProperties || {})], "");
  return make("span", {}, [schema.type ?? "anything", schema.format].filter(Boolean).join(", "));
}

function join(parts, between) {
  const span = make("span", {});
  parts.forEach((part, i) => span.append(...(i ? [between, part] : [part])));
  return span;
}

function bounds(schema) {
  const said = [];
  if (schema.minimum !== undefined) said.push(`from ${schema.minimum}`);
  if (schema.exclusiveMinimum !== undefined) said.push(`above ${schema.exclusiveMinimum}`);
  if (schema.maximum !== undefined) said.push(`to ${schema.maximum}`);
  if (schema.maxLength !== undefined) said.push(`up to ${schema.maxLength} characters`);
  if (schema.maxItems !== undefined) said.push(`up to ${schema.maxItems}`);
  if (schema.pattern !== undefined) said.push(schema.pattern);
  const value = schema.default;
  if (value !== undefined && value !== null && typeof value !== "object") said.push(`default ${value}`);
  return said.join(", ");
}

function fields(schema) {
  const needed = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) =>
    make("tr", {},
      make("td", {}, make("code", {}, name), needed.has(name) ? make("span", { class: "needed", title: "required" }, " *") : null),
      make("td", { class: "type" }, typeOf(field)),
      make("td", {}, ...inline([field.description, bounds(field)].filter(Boolean).join(" "))),
    ));
  return make("table", {}, make("tbody", {}, ...rows));
}

function parameters(list) {
  const rows = list.map((one) =>
    make("tr", {},
      make("td", {}, make("code", {}, one.name), one.required ? make("span", { class: "needed" }, " *") : null),
      make("td", { class: "type" }, one.in),
      make("td", { class: "type" }, typeOf(one.schema)),
      make("td", {}, [one.description, bounds(one.schema)].filter(Boolean).join(" ")),
    ));
  return make("table", {}, make("tbody", {}, ...rows));
}

function responses(said) {
  const rows = Object.entries(said).map(([status, answer]) => {
    const schema = answer.content?.["application/json"]?.schema ?? Object.values(answer.content ?? {})[0]?.schema;
    return make("tr", {},
      make("td", {}, make("code", {}, status)),
      make("td", {}, ...inline(answer.description)),
      make("td", { class: "type" }, schema ? typeOf(schema) : ""));
  });
  return make("table", {}, make("tbody", {}, ...rows));
}

function operation(path, method, said) {
  const inside = make("div", { class: "inside" }, ...paragraphs(said.description));
  if (said.parameters?.length) inside.append(make("h4", {}, "Parameters"), parameters(said.parameters));
  const content = said.requestBody?.content?.["application/json"];
  if (content) {
    inside.append(make("h4", {}, "Body: ", typeOf(content.schema)));
    if (content.example) inside.append(make("pre", {}, JSON.stringify(content.example, null, 2)));
  }
  inside.append(make("h4", {}, "Answers"), responses(said.responses));
  return make("details", { id: said.operationId },
    make("summary", {},
      make("span", { class: `method ${method}` }, method.toUpperCase()),
      make("span", { class: "path" }, path),
      make("span", { class: "said" }, said.summary)),
    inside);
}

function section(tag, paths, contents) {
  const part = make("section", {}, make("h2", { id: `tag-${tag.name}` }, tag.name), ...paragraphs(tag.description));
  contents.append(make("h2", {}, tag.name));
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of METHODS) {
      const said = methods[method];
      if (!said || !said.tags.includes(tag.name)) continue;
      part.append(operation(path, method, said));
      contents.append(make("a", { href: `#${said.operationId}` }, said.summary));
    }
  }
  return part;
}

function problems(table) {
  const rows = Object.entries(table).map(([code, kind]) =>
    make("tr", { id: `problem-${code}` },
      make("td", {}, make("code", {}, code)),
      make("td", {}, make("code", {}, String(kind.status))),
      make("td", {}, kind.title),
      make("td", {}, ...inline(kind.meaning)),
      make("td", { class: "type" }, kind.retry.replace("_", " "))));
  const head = ["code", "status", "title", "meaning", "send again"].map((text) => make("th", {}, text));
  return make("section", {}, make("h2", { id: "problems" }, "problems"),
    make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
}

function schemas(table) {
  const parts = Object.entries(table).map(([name, schema]) =>
    make("details", { id: `schema-${name}` },
      make("summary", {}, make("span", { class: "path" }, name)),
      make("div", { class: "inside" }, ...paragraphs(schema.description), fields(schema))));
  return make("section", {}, make("h2", { id: "schemas" }, "structures"), ...parts);
}

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
  target?.scrollIntoView();
}

async function show() {
  const page = document.getElementById("page");
  const contents = document.getElementById("contents");
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`/openapi.json answered ${answer.status}`);
  const said = await answer.json();
  page.replaceChildren(
    make("h1", {}, `${said.info.title} API ${said.info.version}`),
    ...paragraphs(said.info.description),
    ...said.tags.map((tag) => section(tag, said.paths, contents)),
    problems(said["x-problems"]),
    schemas(said.components.schemas));
  contents.append(make("h2", {}, "tables"), make("a", { href: "#problems" }, "Problems"), make("a", { href: "#schemas" }, "Structures"));
  openTarget();
}

addEventListener("hashchange", openTarget);
show().catch((fault) => { document.getElementById("waiting").textContent = `The document cannot be shown: ${fault.message}`; });
