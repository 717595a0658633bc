// Charts that answer the pointer: the page's specs drawn by its one Vega over their still pictures.

let vega = null;

/** Gives Vega and the specs, unpacked once. */
function drawing() {
  vega ??= (async () => {
    let code = "", text = "";
    await unpack("vega", (piece) => { code += piece; });
    await unpack("charts", (piece) => { text += piece; });
    // the policy of the page allows this one script by its hash
    document.head.append(make("script", {}, code));
    return { embed: window.vegaEmbed, ...JSON.parse(text) };
  })();
  return vega;
}

/** Shows what a mark stands for, as text, beside the pointer. */
function hint() {
  const box = make("div", { class: "tip", role: "tooltip", hidden: "" });
  document.body.append(box);
  return (_, event, __, value) => {
    box.hidden = value === null || value === undefined || value === "";
    if (box.hidden) return;
    box.textContent = plain(String(value));
    const { width, height } = box.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, innerWidth - width - 8);
    const above = event.clientY - height - 10;
    box.style.left = `${Math.max(8, left)}px`;
    box.style.top = `${above < 8 ? event.clientY + 18 : above}px`;
  };
}

/** Draws one chart, and puts its still picture aside only once that is done. */
async function enliven(figure, tooltip, choose) {
  const { embed, specs, config } = await drawing();
  let spec = specs[figure.id];
  if (!spec || !embed) return;
  // on a narrow screen the plot becomes narrower, not its letters smaller
  const room = figure.clientWidth;
  if (room < 450) spec = { ...spec, width: room, autosize: { type: "fit-x", contains: "padding" } };
  const live = make("div", { class: "live", role: "img", "aria-label": find("figcaption", figure).textContent });
  // `ast` has expressions read by Vega's interpreter, so that the page never evaluates text
  const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, config, tooltip };
  const { view } = await embed(live, spec, options);
  view.addEventListener("click", (_, item) => {
    if (item && item.datum && item.datum.rung) choose(figure.dataset.subject, item.datum.rung);
  });
  find("svg", live).setAttribute("aria-hidden", "true");
  find(".still", figure).after(live);
  figure.classList.add("is-live");
}

/** Draws each chart when it comes near the window, one after the other. */
function charts(choose) {
  if (!find("#data-vega") || typeof DecompressionStream === "undefined") return;
  const tooltip = hint();
  let last = Promise.resolve();
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      last = last.then(pause).then(() => enliven(entry.target, tooltip, choose));
    }
  }, { rootMargin: "300px" });
  for (const figure of all("figure.chart")) seen.observe(figure);
}
