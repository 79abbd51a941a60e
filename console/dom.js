/**
 * Elements from data, and the page brought in line with them. Text is only ever put in as text nodes and attributes: what a
 * site, a customer or an application calls itself can not become markup. Nodes that stay are kept, so focus, scrolling and
 * selections outlive an update.
 */

/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes */
/** @typedef {Node | string | number | null | false | undefined} Child */

const svgSpace = 'http://www.w3.org/2000/svg';

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Attributes} [attributes] @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** @param {string} tag @param {Attributes} [attributes] @param {...Child} children */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(svgSpace, tag), attributes, children);
}

/**
 * @template {Element} E
 * @param {E} element @param {Attributes} attributes @param {readonly Child[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : `${value}`);
  }
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : `${child}`);
  }
  return element;
}

/**
 * Makes the children of `parent` those given. An element is the same as before when tag and `data-key` agree; one with
 * `data-own` looks after its children itself.
 * @param {Element} parent @param {readonly Node[]} wanted
 */
export function update(parent, wanted) {
  const keyed = new Map([...parent.children].flatMap((child) => (keyOf(child) ? [[keyOf(child), child]] : [])));
  /** @type {ChildNode | null} */
  let place = parent.firstChild;
  for (const node of wanted) {
    const known = keyed.get(keyOf(node)) ?? place;
    if (known !== null && isSame(known, node)) {
      if (known === place) place = place.nextSibling;
      else parent.insertBefore(known, place);
      align(known, node);
    } else parent.insertBefore(node, place);
  }
  while (place !== null) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** @param {Node} known @param {Node} wanted */
function align(known, wanted) {
  if (!(known instanceof Element) || !(wanted instanceof Element)) {
    if (known.nodeValue !== wanted.nodeValue) known.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...known.attributes]) if (!wanted.hasAttribute(name)) known.removeAttribute(name);
  for (const { name, value } of wanted.attributes) {
    if (known.getAttribute(name) !== value) known.setAttribute(name, value);
  }
  if (!known.hasAttribute('data-own')) update(known, [...wanted.childNodes]);
}

/** @param {Node} a @param {Node} b */
function isSame(a, b) {
  return a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

/** @param {Node} node */
function keyOf(node) {
  return node instanceof Element ? (node.getAttribute('data-key') ?? '') : '';
}
