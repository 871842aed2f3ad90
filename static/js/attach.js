// Gives a behaviour to every element that asks for it, now and whenever a fragment brings a new one.
const given = new WeakMap();

export function attach(selector, setUp) {
  const scan = (root) => {
    const found = [...root.querySelectorAll(selector)];
    if (root !== document && root.matches?.(selector)) found.push(root);
    for (const element of found) {
      const has = given.get(element) ?? given.set(element, new Set()).get(element);
      if (has.has(setUp)) continue;
      has.add(setUp);
      setUp(element);
    }
  };
  scan(document);
  document.addEventListener("htmx:load", (event) => scan(event.detail.elt));
}
