//! A function as a graph, for people: in the language of Graphviz, or drawn.
//!
//! Constants that are arguments of one operation stand inside its node; the others are nodes of their own.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::{Argument, Function, Literal, Op, Operation, ValueId};

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Input,
    Constant,
    Operation,
    Output,
}

struct Node {
    kind: Kind,
    /// Lines of text.
    lines: Vec<String>,
}

struct Edge {
    from: usize,
    to: usize,
    label: String,
}

struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

/// Small constants are written out up to this many characters.
const MAX_TEXT: usize = 32;

fn graph_of(function: &Function) -> Graph {
    let mut graph = Graph { nodes: Vec::new(), edges: Vec::new() };
    let mut node_of: HashMap<ValueId, usize> = HashMap::new();
    let mut uses = vec![0usize; function.values.len()];
    function.ops.iter().flat_map(Operation::operands).for_each(|id| uses[id.index()] += 1);
    function.outputs.iter().for_each(|id| uses[id.index()] += 2);
    for &id in &function.inputs {
        let value = function.value(id);
        node_of.insert(id, graph.nodes.len());
        graph.nodes.push(Node { kind: Kind::Input, lines: vec![value.name.clone(), value.ty.to_string()] });
    }
    for op in &function.ops {
        let inside = |id: ValueId| function.constant(id).is_some() && uses[id.index()] == 1;
        if op.op == Op::Const && op.results.iter().all(|&id| uses[id.index()] <= 1) {
            continue;
        }
        let position = graph.nodes.len();
        let mut lines = vec![op.name().to_owned()];
        for (name, argument) in &op.arguments {
            match argument {
                Argument::Literal(literal) => lines.push(format!("{name} = {}", shortened(literal))),
                Argument::Value(id) if inside(*id) => {
                    let literal = function.constant(*id).cloned().map(Literal::Tensor);
                    lines.push(format!("{name} = {}", literal.as_ref().map_or_else(String::new, shortened)));
                }
                other => {
                    for id in other.values() {
                        if let Some(&from) = node_of.get(id) {
                            graph.edges.push(Edge { from, to: position, label: name.to_string() });
                        }
                    }
                }
            }
        }
        for &id in &op.results {
            let value = function.value(id);
            lines.push(format!("{}: {}", value.name, value.ty));
            node_of.insert(id, position);
        }
        lines.extend(op.constant().map(|constant| shortened(&Literal::Tensor(constant.clone()))));
        let kind = if op.op == Op::Const { Kind::Constant } else { Kind::Operation };
        graph.nodes.push(Node { kind, lines });
    }
    for &id in &function.outputs {
        if let Some(&from) = node_of.get(&id) {
            graph.edges.push(Edge { from, to: graph.nodes.len(), label: String::new() });
        }
        graph.nodes.push(Node { kind: Kind::Output, lines: vec![function.value(id).name.clone()] });
    }
    graph
}

fn shortened(literal: &Literal) -> String {
    let text = crate::text::literal_text(literal);
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The function in the language of Graphviz: `dot -Tsvg` draws it.
pub fn dot(function: &Function) -> String {
    let graph = graph_of(function);
    let mut out =
        String::from("digraph {\n    rankdir = TB;\n    node [shape = box, fontname = \"monospace\"];\n");
    for (position, node) in graph.nodes.iter().enumerate() {
        let shape = match node.kind {
            Kind::Input | Kind::Output => ", style = rounded",
            Kind::Constant => ", style = dashed",
            Kind::Operation => "",
        };
        let label = node.lines.join("\n").escape_default().to_string();
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "    n{position} [label = \"{label}\"{shape}];");
    }
    for edge in &graph.edges {
        let label = edge.label.escape_default();
        let _ = writeln!(out, "    n{} -> n{} [label = \"{label}\"];", edge.from, edge.to);
    }
    out.push_str("}\n");
    out
}

const CHARACTER: usize = 7;
const LINE: usize = 16;
const GAP: usize = 30;

/// The function drawn as SVG: each operation below what it needs, left to right by where its operands are.
pub fn svg(function: &Function) -> String {
    let graph = graph_of(function);
    let count = graph.nodes.len();
    let mut layer = vec![0usize; count];
    // Nodes stand behind what they need, so one pass finds the longest way to each.
    for edge in &graph.edges {
        layer[edge.to] = layer[edge.to].max(layer[edge.from] + 1);
    }
    for edge in graph.edges.iter().rev() {
        // Constants move down to just above their first use.
        if graph.nodes[edge.from].kind == Kind::Constant {
            layer[edge.from] = layer[edge.from].max(layer[edge.to].saturating_sub(1));
        }
    }
    let width =
        |node: &Node| node.lines.iter().map(|l| l.chars().count()).max().unwrap_or(1) * CHARACTER + 16;
    let height = |node: &Node| node.lines.len() * LINE + 10;
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); layer.iter().max().map_or(0, |most| most + 1)];
    (0..count).for_each(|node| rows[layer[node]].push(node));
    let mut x = vec![0usize; count];
    let mut y = vec![0usize; count];
    let (mut top, mut total_width) = (GAP, 0);
    for row in &mut rows {
        let centre = |node: usize| {
            let parents: Vec<usize> = graph
                .edges
                .iter()
                .filter(|e| e.to == node && layer[e.from] < layer[node])
                .map(|e| x[e.from])
                .collect();
            if parents.is_empty() { usize::MAX } else { parents.iter().sum::<usize>() / parents.len() }
        };
        // Programs of thousands of operations are long, not wide: a row has few nodes.
        let mut ordered: Vec<(usize, usize)> = row.iter().map(|&node| (centre(node), node)).collect();
        ordered.sort_unstable();
        let mut left = GAP;
        for (wanted, node) in ordered {
            let own = width(&graph.nodes[node]);
            if wanted != usize::MAX {
                left = left.max(wanted.saturating_sub(own / 2));
            }
            x[node] = left + own / 2;
            y[node] = top;
            left += own + GAP;
        }
        total_width = total_width.max(left);
        top += row.iter().map(|&node| height(&graph.nodes[node])).max().unwrap_or(0) + GAP;
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total_width}\" height=\"{top}\" font-family=\"monospace\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for edge in &graph.edges {
        let from = (x[edge.from], y[edge.from] + height(&graph.nodes[edge.from]));
        let to = (x[edge.to], y[edge.to]);
        let _ = writeln!(
            out,
            "<path d=\"M{} {}C{} {} {} {} {} {}\" fill=\"none\" stroke=\"#888\"/>",
            from.0,
            from.1,
            from.0,
            from.1 + GAP / 2,
            to.0,
            to.1.saturating_sub(GAP / 2),
            to.0,
            to.1
        );
    }
    for (position, node) in graph.nodes.iter().enumerate() {
        let (w, h) = (width(node), height(node));
        let (fill, radius) = match node.kind {
            Kind::Input => ("#e3f2e1", 8),
            Kind::Output => ("#e1e8f2", 8),
            Kind::Constant => ("#f5f0dc", 0),
            Kind::Operation => ("#f7f7f7", 3),
        };
        let left = x[position] - w / 2;
        let _ = writeln!(
            out,
            "<rect x=\"{left}\" y=\"{}\" width=\"{w}\" height=\"{h}\" rx=\"{radius}\" fill=\"{fill}\" stroke=\"#555\"/>",
            y[position]
        );
        for (line, text) in node.lines.iter().enumerate() {
            let weight = if line == 0 { " font-weight=\"bold\"" } else { "" };
            let baseline = y[position] + 16 + line * LINE;
            let _ =
                writeln!(out, "<text x=\"{}\" y=\"{baseline}\"{weight}>{}</text>", left + 8, escaped(text));
        }
    }
    out.push_str("</svg>\n");
    out
}

fn escaped(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    const TEXT: &str = r#"program(1.3) { func main<ios18>(tensor<fp16, [2]> x, fp16 w) {
        int32 a = const()[val = int32(-1)];
        tensor<string, [1]> odd = const()[val = tensor<string, [1]>(["\"<&\n"])];
        tensor<fp16, [2]> s = softmax(axis = a, x = x);
        tensor<fp16, [2]> y = someones(t = odd, u = odd, x = s, y = w);
    } -> (y); }"#;

    #[test]
    fn constants_of_one_use_stand_inside_their_operation() {
        let dot = dot(&parse(TEXT).unwrap().functions[0]);
        assert!(dot.contains(r#"[label = "softmax\naxis = int32(-1)\ns: tensor<fp16, [2]>"]"#), "{dot}");
        assert_eq!(dot.matches("const").count(), 1, "{dot}");
        assert_eq!(dot.matches(" -> ").count(), 6, "{dot}");
    }

    #[test]
    fn texts_of_a_program_cannot_break_the_drawing() {
        let svg = svg(&parse(TEXT).unwrap().functions[0]);
        assert!(svg.contains("&lt;&amp;") && !svg.contains("\"<&"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 1 + 2 + 1 + 2 + 1);
    }
}
