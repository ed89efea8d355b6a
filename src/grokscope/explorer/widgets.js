// Labelled controls, and files to save.

function labelled(text, control, output, meaning = "") {
  const label = document.createElement("label");
  label.title = meaning;
  label.append(text, control, ...(output ? [output] : []));
  return label;
}

function selector(text, { id, options, value, set, meaning }) { // of [value, text, meaning]
  const select = document.createElement("select");
  select.id = id;
  select.append(...options.map(([name, words, title = ""]) => Object.assign(new Option(words, name || "none", false, name === value), { title })));
  select.addEventListener("change", () => {
    set(select.value === "none" ? null : select.value);
    update();
  });
  return labelled(text, select, null, meaning);
}

function slider(text, { min, max, step, value, show, set, id, meaning }) {
  const input = document.createElement("input"), output = document.createElement("output");
  Object.assign(input, { type: "range", min, max, step, value, id });
  const say = () => { output.textContent = show(Number(input.value)); input.setAttribute("aria-valuetext", output.textContent); };
  say();
  input.addEventListener("input", () => { say(); set(Number(input.value)); });
  return labelled(text, input, output, meaning);
}

function saveBar(id, kinds, save) {
  const bar = document.createElement("div");
  bar.className = "save";
  bar.append(...kinds.map((kind) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: kind.toUpperCase(), title: `Save ${id} as ${kind.toUpperCase()}` });
    button.addEventListener("click", () => save(id, kind));
    return button;
  }));
  return bar;
}

function saveTable(id, rows) {
  const quote = (v) => (v === null || v === undefined ? "" : /[",\n]/.test(v) ? `"${String(v).replace(/"/g, '""')}"` : v);
  saveFile(`grokscope-${id}.csv`, new Blob([rows.map((row) => row.map(quote).join(",")).join("\n")], { type: "text/csv" }));
}

function saveFile(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
