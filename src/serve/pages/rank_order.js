// The order that a person gives answers: groups of equals, best to worst. Answers are places on the screen, from 0 on.

/** Returns the letter of a place: a is 0. */
export const letterOf = (place) => String.fromCharCode(97 + place);

/** Returns the place that a key stands for, a letter or a digit from 1 on; -1 if there is none among `count`. */
export function placeOf(key, count) {
  const place = /^[1-9]$/.test(key) ? Number(key) - 1 : /^[a-z]$/i.test(key) ? key.toLowerCase().charCodeAt(0) - 97 : -1;
  return place < count ? place : -1;
}

export class Order {
  constructor(count, groups = []) {
    this.count = count;
    this.groups = groups.map((group) => [...group]);
    this.joins = false;  // the next answer ties with the last one
  }

  has(place) { return this.groups.some((group) => group.includes(place)); }

  /** Returns those that no group names. */
  rest() { return Array.from({length: this.count}, (_, place) => place).filter((place) => !this.has(place)); }

  /** Returns the groups as the server completes them: a single rest comes last. */
  completed() {
    const rest = this.rest();
    return this.groups.length > 0 && rest.length === 1 ? [...this.groups, rest] : this.groups;
  }

  /** Adds an answer as the next best, or takes it out. */
  toggle(place) {
    if (this.has(place)) this.remove(place);
    else if (this.joins && this.groups.length > 0) this.groups.at(-1).push(place);
    else this.groups.push([place]);
    this.joins = false;
  }

  /** Lets the next answer tie with the last one, or takes that back. */
  toggleJoin() { this.joins = !this.joins && this.groups.length > 0 && this.rest().length > 0; }

  remove(place) {
    this.groups = this.groups.map((group) => group.filter((other) => other !== place)).filter((group) => group.length > 0);
    this.joins = false;
  }

  /** Takes back the last step: the wish to tie, or the answer added last. */
  removeLast() {
    if (this.joins) this.joins = false;
    else if (this.groups.length > 0) this.remove(this.groups.at(-1).at(-1));
  }

  /** Puts an answer beside another one: as its equal, or into a group of its own before or after it. */
  putBeside(place, other, how) {
    if (place === other) return;
    this.remove(place);
    const index = this.groups.findIndex((group) => group.includes(other));
    if (index < 0) return this.putLast(place);
    if (how === "equal") this.groups[index].push(place);
    else this.groups.splice(how === "before" ? index : index + 1, 0, [place]);
  }

  putLast(place) {
    this.remove(place);
    this.groups.push([place]);
  }

  /** Moves an answer half a step to the better (-1) or the worse (1): out of a tie, or into one with its neighbour. */
  move(place, by) {
    const index = this.groups.findIndex((group) => group.includes(place));
    if (index < 0) return;
    if (this.groups[index].length > 1) {
      this.groups[index] = this.groups[index].filter((other) => other !== place);
      this.groups.splice(by < 0 ? index : index + 1, 0, [place]);
    } else if (this.groups[index + by]) {
      this.groups[index + by].push(place);
      this.groups.splice(index, 1);
    }
  }

  /** Returns an answer's rank in words: "best", "2nd", "equal 2nd"; "" if it has none yet. */
  rankText(place) {
    const groups = this.completed(), index = groups.findIndex((group) => group.includes(place));
    if (index < 0) return "";
    const number = index + 1, ending = {1: "st", 2: "nd", 3: "rd"}[number] ?? "th";
    const name = index === 0 ? "best" : `${number}${ending}`;
    return groups[index].length > 1 ? `equal ${name}` : name;
  }

  /** Returns the order as the terminal writes it: "b > a = c > the others (d e, not compared)". */
  text() {
    const text = this.completed().map((group) => group.map(letterOf).join(" = ")).join(" > ");
    const rest = this.rest();
    return rest.length > 1 && text ? `${text} > the others (${rest.map(letterOf).join(" ")}, not compared)` : text;
  }
}
