// Data attributes become custom properties: data-ratio="1.33" is read by the stylesheet as --ratio. The content policy allows
// no style attributes; the CSSOM is not bound by it. Runs before the first paint and watches, so that nothing jumps.
{
  const NAMES = ["ratio", "tone", "sum", "share", "fill", "stops", "reach", "at", "w", "h"];
  const selector = NAMES.map((name) => `[data-${name}]`).join();
  const apply = (element) => {
    for (const name of NAMES) if (name in element.dataset) element.style.setProperty(`--${name}`, element.dataset[name]);
  };
  const scan = (node) => {
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    if (node.matches(selector)) apply(node);
    node.querySelectorAll(selector).forEach(apply);
  };
  const watch = (records) => {
    for (const record of records) {
      if (record.type === "attributes") apply(record.target);
      else record.addedNodes.forEach(scan);
    }
  };
  new MutationObserver(watch).observe(document.documentElement, {
    childList: true, subtree: true, attributeFilter: NAMES.map((name) => `data-${name}`),
  });
}
