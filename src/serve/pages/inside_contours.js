// Finds lines of equal height on a grid: marching squares.

/** Returns the path of the line at `level`, as SVG's attribute d. `heights` is by row and column; where a number is
 * missing there is no line. `place` maps (column, row) to the picture. */
export function contour(heights, level, place) {
  const parts = [];
  for (let row = 0; row + 1 < heights.length; ++row) {
    for (let column = 0; column + 1 < heights[row].length; ++column) {
      parts.push(...segments(heights, row, column, level).map((ends) =>
        `M${ends.map(([x, y]) => place(x, y).map((number) => number.toFixed(1)).join(" ")).join("L")}`));
    }
  }
  return parts.join("");
}

/** Returns the line's pieces within one square, each from one of its sides to another. */
function segments(heights, row, column, level) {
  const corners = [[column, row], [column + 1, row], [column + 1, row + 1], [column, row + 1]];
  const height = corners.map(([x, y]) => heights[y][x]);
  if (height.some((one) => one === undefined || one === null)) return [];
  const crossings = [];  // of the sides, in the order of the corners
  for (let side = 0; side < 4; ++side) {
    const [from, to] = [height[side], height[(side + 1) % 4]], [a, b] = [corners[side], corners[(side + 1) % 4]];
    if ((from < level) === (to < level)) continue;
    const part = (level - from) / (to - from);
    crossings.push([a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])]);
  }
  if (crossings.length < 4) return crossings.length ? [crossings] : [];
  const middle = height.reduce((sum, one) => sum + one, 0) / 4;  // of a saddle: which corners belong together
  const [first, second, third, fourth] = crossings;
  return (middle < level) === (height[0] < level) ? [[first, second], [third, fourth]] : [[fourth, first], [second, third]];
}
