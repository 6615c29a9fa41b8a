// The flame graph: frames as <div>s, redrawn at each zoom. Data: {program: tree, layers: tree}.
const trees = JSON.parse(document.getElementById('data').textContent)
const place = document.getElementById('flame'), told = document.getElementById('told')
const search = document.getElementById('search'), matched = document.getElementById('matched')
const HEIGHT = 22, LEAST = 2 // pixels of a row, and of a frame that is drawn
const time = ms => ms >= 1000 ? (ms / 1000).toPrecision(3) + ' s'
  : ms >= 1 ? ms.toPrecision(3) + ' ms' : (ms * 1000).toPrecision(3) + ' µs'
const share = part => (100 * part).toFixed(part < 0.0995 ? 1 : 0) + ' %'

function prepare(node, above) {
  node.above = above
  node.total = node.self
  for (const each of node.below) node.total += prepare(each, node)
  return node.total
}
for (const tree of Object.values(trees)) prepare(tree, null)

let tree = trees.program, focus = tree
const hit = (node, words) => words && node.name.toLowerCase().includes(words)

function draw() {
  const words = search.value.trim().toLowerCase(), width = place.clientWidth
  const parts = document.createDocumentFragment()
  let deepest = 0
  const add = (node, row, left, size, extra) => {
    const frame = document.createElement('div')
    frame.textContent = size > 24 ? node.name : ''
    frame.style.cssText = `left:${left}px;width:${size}px;top:${row * HEIGHT}px;` +
      `background:var(--${node.kind});padding:0 ${size > 24 ? 5 : 0}px`
    frame.className = extra + (words ? (hit(node, words) ? ' hit' : ' miss') : '')
    frame.title = `${node.name}\n${time(node.total)}, ${share(node.total / tree.total)} of all`
    frame.tabIndex = 0
    frame.onclick = () => { focus = node; draw(); tell(node) }
    frame.onkeydown = event => { if (event.key === 'Enter') frame.onclick() }
    frame.onmouseenter = frame.onfocus = () => tell(node)
    parts.append(frame)
    deepest = Math.max(deepest, row)
  }
  const way = []
  for (let node = focus.above; node; node = node.above) way.unshift(node)
  way.forEach((node, row) => add(node, row, 0, width, 'above'))
  const below = (node, row, left, scale) => {
    const size = node.total * scale
    if (size < LEAST) return
    add(node, row, left, size, '')
    for (const each of node.below) { below(each, row + 1, left, scale); left += each.total * scale }
  }
  below(focus, way.length, 0, focus.total ? width / focus.total : 0)
  place.replaceChildren(parts)
  place.style.height = (deepest + 1) * HEIGHT + 'px'
  matched.textContent = words ? `${share(found(focus, words) / (focus.total || 1))} matched` : ''
}

function found(node, words) { // the time of the outermost frames that match
  return hit(node, words) ? node.total : node.below.reduce((sum, each) => sum + found(each, words), 0)
}

function tell(node) {
  const way = []
  for (let each = node; each; each = each.above) way.unshift(each.name)
  told.textContent = `${time(node.total)}, ${share(node.total / tree.total)} of all` +
    (node.below.length && node.self ? `, ${time(node.self)} of it in no frame below` : '') +
    `\n${way.join(' › ')}`
}

function filter() {
  const words = search.value.trim().toLowerCase()
  for (const row of document.querySelectorAll('tbody tr'))
    row.hidden = Boolean(words) && !row.cells[0].textContent.toLowerCase().includes(words)
}

for (const button of document.querySelectorAll('button[data-tree]'))
  button.onclick = () => {
    for (const each of document.querySelectorAll('button[data-tree]'))
      each.setAttribute('aria-pressed', String(each === button))
    focus = tree = trees[button.dataset.tree]
    draw()
  }
document.getElementById('reset').onclick = () => { focus = tree; search.value = ''; draw(); filter() }
document.onkeydown = event => { if (event.key === 'Escape') document.getElementById('reset').click() }
search.oninput = () => { draw(); filter() }
addEventListener('resize', draw)
draw()
