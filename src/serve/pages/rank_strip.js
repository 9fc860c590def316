// Shows the order as chips that can be dragged: beside another one, or onto it for a tie.
import {element} from "/kiln.js";
import {letterOf} from "/rank_order.js";

const kDragStart = 5;  // pixels before a press is a drag

export class Strip {
  #drag = null;

  /** `onChange` is called after the order has changed. */
  constructor(onChange) {
    this.onChange = onChange;
    this.chosen = element("div", {class: "chips chosen-chips", role: "group", "aria-label": "Your order, best first"});
    this.others = element("div", {class: "chips other-chips", role: "group", "aria-label": "Not placed yet"});
    this.element = element("div", {class: "strip"}, this.chosen, this.others);
  }

  show(order) {
    this.order = order;
    const focused = document.activeElement?.dataset?.chip;
    const parts = order.groups.flatMap((group, index) => [
      ...(index > 0 ? [element("span", {class: "sign", "aria-hidden": "true"}, ">")] : []),
      ...group.flatMap((place, i) => [...(i > 0 ? [element("span", {class: "sign", "aria-hidden": "true"}, "=")] : []),
        this.#chip(place)])]);
    if (order.joins) parts.push(element("span", {class: "sign"}, "= ?"));
    if (parts.length === 0) parts.push(element("span", {class: "quiet"}, "Choose the best answer first."));
    const rest = order.rest();
    const restText = order.groups.length > 0 && rest.length > 0 ? [element("span", {class: "sign"}, ">")] : [];
    this.chosen.replaceChildren(...parts);
    const remark = restText.length > 0 && rest.length > 1 ? [element("span", {class: "quiet"}, "not compared")] : [];
    this.others.replaceChildren(...restText, ...rest.map((place) => this.#chip(place)), ...remark);
    if (focused !== undefined) this.element.querySelector(`[data-chip="${focused}"]`)?.focus();
  }

  #chip(place) {
    const letter = letterOf(place), rank = this.order.rankText(place);
    const chip = element("button", {type: "button", class: "chip", "data-chip": String(place), "data-place": String(place),
      "aria-label": `${letter}, ${rank || "not placed"}`, title: "Drag it, or use the arrow keys"}, letter);
    chip.addEventListener("pointerdown", (event) => this.#begin(event, place, chip));
    chip.addEventListener("pointermove", (event) => this.#move(event));
    chip.addEventListener("pointerup", (event) => this.#end(event));
    chip.addEventListener("pointercancel", () => this.#stop());
    chip.addEventListener("click", (event) => { if (event.detail === 0) this.#toggle(place); });  // by keyboard
    chip.addEventListener("keydown", (event) => {
      const by = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1}[event.key];
      if (!by) return;
      event.preventDefault();
      this.order.move(place, by);
      this.onChange();
    });
    return chip;
  }

  #toggle(place) {
    this.order.toggle(place);
    this.onChange();
  }

  #begin(event, place, chip) {
    if (event.button !== 0) return;
    this.#drag = {place, chip, x: event.clientX, y: event.clientY, moves: false};
    chip.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const drag = this.#drag;
    if (!drag) return;
    const x = event.clientX - drag.x, y = event.clientY - drag.y;
    drag.moves ||= Math.hypot(x, y) > kDragStart;
    if (!drag.moves) return;
    drag.chip.classList.add("dragged");
    drag.chip.style.transform = `translate(${x}px, ${y}px)`;
    this.#mark(this.#target(event));
  }

  #end(event) {
    const drag = this.#drag;
    if (!drag) return;
    const target = drag.moves ? this.#target(event) : null;
    this.#stop();
    if (!drag.moves) return this.#toggle(drag.place);
    if (target.others) this.order.remove(drag.place);
    else if (target.chip) this.order.putBeside(drag.place, Number(target.chip.dataset.chip), target.how);
    else if (target.isEnd) this.order.putLast(drag.place);
    this.onChange();
  }

  #stop() {
    if (!this.#drag) return;
    this.#drag.chip.classList.remove("dragged");
    this.#drag.chip.style.transform = "";
    this.#mark({});
    this.#drag = null;
  }

  /** Returns what lies under the pointer: a chip of the order and the side of it, or one of the two places. */
  #target({clientX: x, clientY: y}) {
    const inside = (box, margin = 0) => x >= box.left - margin && x <= box.right + margin && y >= box.top - margin
      && y <= box.bottom + margin;
    for (const chip of this.chosen.querySelectorAll(".chip")) {
      const box = chip.getBoundingClientRect(), reach = this.#drag.chip === chip ? 0 : 9;
      if (chip === this.#drag.chip || !inside({left: box.left - reach, right: box.right + reach, top: box.top, bottom: box.bottom}))
        continue;
      const share = (x - box.left) / box.width;
      return {chip, how: share < 0.2 ? "before" : share > 0.8 ? "after" : "equal"};
    }
    if (inside(this.others.getBoundingClientRect())) return {others: true};
    return {isEnd: inside(this.element.getBoundingClientRect(), 40)};
  }

  #mark({chip, how}) {
    for (const other of this.chosen.querySelectorAll(".chip")) {
      for (const name of ["before", "after", "equal"]) other.classList.toggle(name, other === chip && how === name);
    }
  }
}
