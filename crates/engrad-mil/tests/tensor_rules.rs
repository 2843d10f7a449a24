//! Type rules of the operations that move, join, index, sort and make tensors: one operation as text, and what its rule
//! makes of it.

use engrad_mil::{Operands, Program, infer, parse};

/// The operation named last in the text of a function with the inputs every case may use.
fn program(statement: &str) -> Program {
    let (constants, call) = statement.rsplit_once(';').map_or(("", statement), |(c, call)| (c, call));
    let constants: String = constants
        .split(';')
        .filter(|c| !c.trim().is_empty())
        .map(|c| {
            let (name, value) = c.split_once('=').unwrap();
            let ty = value.split('(').next().unwrap().trim();
            format!("{ty} {} = const()[val = {}];\n", name.trim(), value.trim())
        })
        .collect();
    let text = format!(
        "program(1.3)\n{{\nfunc main<ios18>(tensor<fp32, [2, 3, 4]> x, tensor<fp32, [?, 3, n]> f, \
         tensor<fp32, [1, ?, 1]> u, tensor<fp32, [2, 8, 4, 6]> image, tensor<int32, [2]> two, tensor<int32, [3]> three, \
         tensor<int32, [2, 2]> pairs, fp32 scalar, int32 number, state<tensor<fp32, [2, 3, 4]>> kept) {{\n{constants}\
         tensor<fp32, [?]> y = {}; }} -> (y);\n}}\n",
        call.trim()
    );
    parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// The result types, or the reason for refusal.
fn inferred(statement: &str) -> String {
    let program = program(statement);
    let function = program.main().unwrap();
    let operation = function.ops().last().unwrap();
    match infer(operation.op, &Operands::of(function, operation)) {
        Ok(types) => types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Err(reason) => format!("refused: {reason}"),
    }
}

/// A list of integers, as text.
fn list(values: &[i32]) -> String {
    format!("tensor<int32, [{}]>({values:?})", values.len())
}

fn check(cases: &[(&str, &str)]) {
    let different: Vec<_> = cases
        .iter()
        .filter_map(|&(statement, expected)| {
            let found = inferred(statement);
            let agree = match expected.strip_suffix('…') {
                Some(start) => found.starts_with(start),
                None => found == expected,
            };
            (!agree).then(|| format!("{statement}\n  expected {expected}\n  found    {found}"))
        })
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn shapes() {
    let reshape = |shape: &[i32], x: &str| format!("s = {}; reshape(shape = s, x = {x})", list(shape));
    let cases = [
        (reshape(&[4, 6], "x"), "tensor<fp32, [4, 6]>"),
        (reshape(&[-1, 3], "x"), "tensor<fp32, [8, 3]>"),
        (reshape(&[0, -1], "image"), "tensor<fp32, [4, 96]>"),
        (reshape(&[1, 0, -1, 0, 0], "x"), "tensor<fp32, [1, 1, 2, 3, 4]>…"),
        (reshape(&[1, 0, 0, 0], "x"), "tensor<fp32, [1, 2, 3, 4]>"),
        (reshape(&[0, 3, -1], "f"), "tensor<fp32, [?, 3, ?]>"),
        (reshape(&[5, -1], "x"), "refused: [2, 3, 4] cannot become [5, -1]"),
        (reshape(&[-1, -1], "x"), "refused: [2, 3, 4] cannot become [-1, -1]"),
        (reshape(&[-1, -1], "f"), "refused: [?, 3, n] cannot become [-1, -1]"),
        (reshape(&[-2, 12], "x"), "refused: shape [-2, 12] has…"),
    ];
    check(&cases.each_ref().map(|(statement, expected)| (statement.as_str(), *expected)));
    check(&[
        ("reshape(shape = two, x = x)", "tensor<fp32, [?, ?]>"),
        (
            "b = int32(1); e = int32(3); m = bool(false); reshape_like(begins = (b), ends = (e), end_masks = (m), \
             ref_tensors = (x), x = image)",
            "refused: [2, 8, 4, 6] cannot become [3, 4]",
        ),
        (
            "b = int32(0); e = int32(0); m = bool(true); reshape_like(begins = (b, b), ends = (e, e), \
             end_masks = (m, m), ref_tensors = (x, scalar), x = x)",
            "tensor<fp32, [2, 3, 4]>",
        ),
        ("a = tensor<int32, [2]>([0, -1]); expand_dims(axes = a, x = x)", "tensor<fp32, [1, 2, 3, 4, 1]>"),
        ("a = tensor<int32, [1]>([4]); expand_dims(axes = a, x = x)", "refused: axis 4…"),
        ("squeeze(x = u)", "tensor<fp32, [?]>"),
        ("a = tensor<int32, [2]>([0, 1]); squeeze(axes = a, x = u)", "tensor<fp32, [?, 1]>"),
        ("a = tensor<int32, [1]>([1]); squeeze(axes = a, x = x)", "tensor<fp32, [2, 3, 4]>"),
        ("p = tensor<int32, [3]>([-1, 0, 1]); transpose(perm = p, x = f)", "tensor<fp32, [n, ?, 3]>"),
        ("p = tensor<int32, [3]>([0, 0, 1]); transpose(perm = p, x = x)", "refused…"),
        ("flatten2d(x = x)", "tensor<fp32, [2, 12]>"),
        ("a = int32(0); flatten2d(axis = a, x = x)", "tensor<fp32, [1, 24]>"),
        ("a = int32(3); flatten2d(axis = a, x = x)", "tensor<fp32, [24, 1]>"),
        ("a = int32(-4); flatten2d(axis = a, x = x)", "refused: axis -4…"),
        ("reverse(x = f)", "tensor<fp32, [?, 3, n]>"),
        ("reverse_sequence(lengths = two, x = x)", "tensor<fp32, [2, 3, 4]>"),
        ("reverse_sequence(lengths = three, x = x)", "refused: lengths must be [2], not [3]"),
        ("band_part(x = two)", "refused: needs matrices, not [2]"),
        (
            "a = int32(-1); s = int32(2); sliding_windows(axis = a, size = s, x = x)",
            "tensor<fp32, [2, 3, 3, 2]>",
        ),
        (
            "a = int32(1); s = int32(2); t = int32(2); sliding_windows(axis = a, size = s, stride = t, x = x)",
            "tensor<fp32, [2, 1, 2, 4]>",
        ),
        (
            "a = int32(1); s = int32(4); sliding_windows(axis = a, size = s, x = x)",
            "refused: windows of 4 do…",
        ),
        ("b = int32(2); depth_to_space(block_size = b, x = image)", "tensor<fp32, [2, 2, 8, 12]>"),
        ("b = int32(3); depth_to_space(block_size = b, x = image)", "refused: the number of channels 8…"),
        ("b = int32(2); space_to_depth(block_size = b, x = image)", "tensor<fp32, [2, 32, 2, 3]>"),
        ("b = int32(0); pixel_shuffle(upscale_factor = b, x = image)", "refused: upscale_factor must be…"),
        ("b = uint32(2); pixel_unshuffle(downscale_factor = b, x = image)", "tensor<fp32, [2, 32, 2, 3]>"),
        ("b = uint32(2); pixel_unshuffle(downscale_factor = b, x = x)", "refused: x must have four…"),
        (
            "b = tensor<int32, [2]>([2, 3]); p = tensor<int32, [2, 2]>([[1, 1], [0, 3]]); \
             space_to_batch(block_shape = b, paddings = p, x = image)",
            "tensor<fp32, [12, 8, 3, 3]>",
        ),
        (
            "b = tensor<int32, [2]>([2, 1]); p = tensor<int32, [2, 2]>([[1, 0], [0, 2]]); \
             batch_to_space(block_shape = b, crops = p, x = image)",
            "tensor<fp32, [1, 8, 7, 4]>",
        ),
        (
            "b = tensor<int32, [2]>([2, 1]); p = tensor<int32, [2, 2]>([[9, 0], [0, 2]]); \
             batch_to_space(block_shape = b, crops = p, x = image)",
            "refused: crops [9, 0]…",
        ),
    ]);
}

#[test]
fn joins() {
    check(&[
        ("a = int32(0); concat(axis = a, values = (x, x, f))", "tensor<fp32, [?, 3, 4]>"),
        ("a = int32(1); concat(axis = a, values = (x, x))", "tensor<fp32, [2, 6, 4]>"),
        (
            "a = int32(1); i = bool(true); concat(axis = a, interleave = i, values = (x, f))",
            "tensor<fp32, [2, 6, 4]>",
        ),
        ("a = int32(0); concat(axis = a, values = (number, number))", "tensor<int32, [2]>"),
        ("a = int32(1); concat(axis = a, values = (two, two))", "refused: axis 1…"),
        ("a = int32(0); concat(axis = a, values = (two, x))", "refused: …"),
        ("a = int32(-1); stack(axis = a, values = (x, f))", "tensor<fp32, [2, 3, 4, 2]>"),
        ("a = int32(0); stack(axis = a, values = (number, number))", "tensor<int32, [2]>"),
        ("a = int32(0); stack(axis = a, values = (two, three))", "refused: …"),
        ("r = tensor<int32, [3]>([1, 2, 1]); tile(reps = r, x = f)", "tensor<fp32, [?, 6, n]>"),
        ("tile(reps = three, x = x)", "tensor<fp32, [?, ?, ?]>"),
        ("r = tensor<int32, [3]>([1, 0, 1]); tile(reps = r, x = x)", "refused: reps…"),
        ("p = tensor<int32, [4]>([1, 2, 0, 3]); pad(pad = p, x = x)", "tensor<fp32, [2, 6, 7]>"),
        ("p = tensor<int32, [4]>([1, 2, 0, 0]); pad(pad = p, x = f)", "tensor<fp32, [?, 6, n]>"),
        ("p = tensor<int32, [1]>([1]); pad(pad = p, x = x)", "refused: pad [1]…"),
        ("p = tensor<int32, [2]>([1, -1]); pad(pad = p, x = x)", "refused: pad [1, -1]…"),
        ("pad(pad = two, x = x)", "refused: a pad computed at run time must be [6], not [2]"),
        ("m = string(\"wrap\"); pad(pad = two, mode = m, x = two)", "refused: mode must be…"),
    ]);
}

#[test]
fn slices() {
    let index = |begin: &[i32], end: &[i32], rest: &str, x: &str| {
        let rank = begin.len();
        let mask = |bits: &str| {
            let bits: Vec<_> = bits.chars().map(|c| c == '1').collect();
            format!("tensor<bool, [{rank}]>({bits:?})")
        };
        let (mut constants, mut arguments) = (String::new(), String::new());
        for (i, part) in rest.split_whitespace().enumerate() {
            let (name, value) = part.split_once('=').unwrap();
            let value = match name {
                "stride" => list(&value.split(',').map(|v| v.parse().unwrap()).collect::<Vec<_>>()),
                _ => mask(value),
            };
            constants += &format!("c{i} = {value}; ");
            arguments += &format!(", {name} = c{i}");
        }
        format!(
            "b = {}; e = {}; {constants}slice_by_index(begin = b, end = e, x = {x}{arguments})",
            list(begin),
            list(end)
        )
    };
    let cases = [
        (index(&[0, 1, -3], &[2, 3, -1], "", "x"), "tensor<fp32, [2, 2, 2]>"),
        (index(&[0, 2, 3], &[2, 0, 0], "stride=1,-1,-2", "x"), "tensor<fp32, [2, 2, 2]>"),
        (
            index(&[0, 0, 0], &[0, 0, 0], "begin_mask=111 end_mask=111 stride=1,-1,3", "x"),
            "tensor<fp32, [2, 3, 2]>",
        ),
        (
            index(&[0, 0, 0], &[0, 0, 0], "begin_mask=111 end_mask=111 stride=1,-1,-1", "f"),
            "tensor<fp32, [?, 3, n]>",
        ),
        (index(&[1, 2, 0], &[0, 0, 4], "squeeze_mask=110", "x"), "tensor<fp32, [4]>"),
        (index(&[1, 2, 0], &[0, 0, 4], "squeeze_mask=111", "x"), "fp32"),
        (
            index(&[0, 3, 0], &[0, 0, 4], "squeeze_mask=010", "x"),
            "refused: dimension 1: index 3 is outside 3",
        ),
        // Known whatever the extent.
        (index(&[0, 0, -1], &[1, 3, 0], "end_mask=001", "f"), "tensor<fp32, [1, 3, 1]>"),
        (index(&[2, 0, -1], &[2, 3, -2], "stride=1,1,-1", "f"), "tensor<fp32, [0, 3, 1]>"),
        (index(&[0, 0, 0], &[5, 9, 2], "", "f"), "tensor<fp32, [?, 3, ?]>"),
        (index(&[1, 0, 0], &[0, 3, 4], "", "x"), "refused: dimension 0: from 1 to 0 by 1 goes the wrong way"),
        // Python would take all three elements.
        (index(&[0, -1, 0], &[2, -4, 4], "stride=1,-1,1", "x"), "tensor<fp32, [2, 2, 4]>"),
        (index(&[0, 0, 0], &[2, 3, 4], "stride=1,0,1", "x"), "refused: stride [1, 0, 1]…"),
        (index(&[0, 0], &[2, 3], "", "x"), "refused: begin needs 3 numbers"),
    ];
    check(&cases.each_ref().map(|(statement, expected)| (statement.as_str(), *expected)));
    check(&[
        ("slice_by_index(begin = three, end = three, x = x)", "tensor<fp32, [?, ?, ?]>"),
        ("slice_by_index(begin = two, end = two, x = x)", "refused: begin needs 3 numbers"),
        (
            "b = tensor<int32, [3]>([0, -2, 1]); s = tensor<int32, [3]>([2, 1, -1]); slice_by_size(begin = b, size = s, x = x)",
            "tensor<fp32, [2, 1, 3]>",
        ),
        (
            "s = tensor<int32, [3]>([2, 1, -1]); slice_by_size(begin = three, size = s, x = x)",
            "tensor<fp32, [2, 1, ?]>",
        ),
        (
            "b = tensor<int32, [3]>([0, -4, 1]); s = tensor<int32, [3]>([2, 1, 1]); slice_by_size(begin = b, size = s, x = x)",
            "refused: dimension 1…",
        ),
        (
            "b = tensor<int32, [3]>([0, 0, 0]); e = tensor<int32, [3]>([2, 3, 4]); \
             slice_update(begin = b, end = e, update = f, x = x)",
            "tensor<fp32, [2, 3, 4]>",
        ),
        (
            "b = tensor<int32, [3]>([0, 0, 0]); e = tensor<int32, [3]>([2, 2, 4]); \
             slice_update(begin = b, end = e, update = x, x = x)",
            "refused: update must be tensor<fp32, [2, 2, 4]>…",
        ),
        (
            "a = int32(-1); n = int32(2); split(axis = a, num_splits = n, x = x)",
            "tensor<fp32, [2, 3, 2]>, tensor<fp32, [2, 3, 2]>",
        ),
        (
            "a = int32(1); s = tensor<int32, [2]>([1, 2]); split(axis = a, split_sizes = s, x = f)",
            "tensor<fp32, [?, 1, n]>, tensor<fp32, [?, 2, n]>",
        ),
        (
            "a = int32(0); n = int32(2); split(axis = a, num_splits = n, x = f)",
            "tensor<fp32, [?, 3, n]>, tensor<fp32, [?, 3, n]>",
        ),
        ("a = int32(1); n = int32(2); split(axis = a, num_splits = n, x = x)", "refused: 3 elements cannot…"),
        (
            "a = int32(1); s = tensor<int32, [2]>([1, 1]); split(axis = a, split_sizes = s, x = x)",
            "refused: split_sizes…",
        ),
        ("a = int32(1); split(axis = a, x = x)", "refused: needs num_splits or split_sizes"),
    ]);
}

#[test]
fn indexing() {
    check(&[
        ("gather(indices = pairs, x = x)", "tensor<fp32, [2, 2, 3, 4]>"),
        ("a = int32(-1); gather(axis = a, indices = number, x = x)", "tensor<fp32, [2, 3]>"),
        ("gather(indices = number, x = two)", "int32"),
        (
            "a = int32(1); b = int32(1); gather(axis = a, batch_dims = b, indices = pairs, x = x)",
            "tensor<fp32, [2, 2, 4]>",
        ),
        (
            "a = int32(2); b = int32(1); gather(axis = a, batch_dims = b, indices = three, x = x)",
            "refused: the first 1…",
        ),
        (
            "a = int32(0); b = int32(1); gather(axis = a, batch_dims = b, indices = pairs, x = x)",
            "refused: axis 0 is one…",
        ),
        ("b = int32(3); gather(batch_dims = b, indices = pairs, x = x)", "refused: batch_dims 3…"),
        ("a = int32(3); gather(axis = a, indices = pairs, x = x)", "refused: axis 3…"),
        (
            "i = tensor<int32, [2]>([0, 2]); v = bool(true); gather(indices = i, validate_indices = v, x = x)",
            "refused: index 2 is outside 2",
        ),
        ("a = int32(0); gather_along_axis(axis = a, indices = pairs, x = pairs)", "tensor<int32, [2, 2]>"),
        ("gather_along_axis(indices = pairs, x = x)", "refused: indices…"),
        ("gather_nd(indices = pairs, x = x)", "tensor<fp32, [2, 4]>"),
        ("b = int32(1); gather_nd(batch_dims = b, indices = pairs, x = x)", "tensor<fp32, [2]>"),
        ("b = int32(2); gather_nd(batch_dims = b, indices = pairs, x = x)", "refused: …"),
        ("gather_nd(indices = pairs, x = two)", "refused: indices of 2 numbers…"),
        ("scatter(data = x, indices = two, updates = f)", "tensor<fp32, [2, 3, 4]>"),
        (
            "a = int32(1); scatter(axis = a, data = x, indices = two, updates = x)",
            "refused: updates must be [2, 2, 4], not [2, 3, 4]",
        ),
        (
            "m = string(\"xor\"); scatter(data = x, indices = two, mode = m, updates = x)",
            "refused: mode must be…",
        ),
        ("scatter(data = x, indices = two, updates = pairs)", "refused: data is fp32 but…"),
        ("scatter_along_axis(data = pairs, indices = pairs, updates = pairs)", "tensor<int32, [2, 2]>"),
        ("scatter_along_axis(data = pairs, indices = two, updates = two)", "refused: indices…"),
        ("scatter_nd(data = pairs, indices = pairs, updates = two)", "tensor<int32, [2, 2]>"),
        (
            "scatter_nd(data = pairs, indices = pairs, updates = three)",
            "refused: updates must be [2], not [3]",
        ),
    ]);
}

#[test]
fn sorting_and_construction() {
    check(&[
        ("argsort(x = f)", "tensor<int32, [?, 3, n]>"),
        (
            "a = int32(1); k = int32(2); topk(axis = a, k = k, x = f)",
            "tensor<fp32, [?, 2, n]>, tensor<int32, [?, 2, n]>",
        ),
        ("k = int32(-1); topk(k = k, x = f)", "tensor<fp32, [?, 3, n]>, tensor<int32, [?, 3, n]>"),
        ("r = bool(false); topk(return_indices = r, x = x)", "tensor<fp32, [2, 3, 1]>"),
        (
            "d = string(\"uint16\"); topk(output_indices_dtype = d, x = x)",
            "tensor<fp32, [2, 3, 1]>, tensor<uint16, [2, 3, 1]>",
        ),
        ("d = string(\"fp16\"); topk(output_indices_dtype = d, x = x)", "refused: output_indices_dtype…"),
        ("k = int32(5); topk(k = k, x = x)", "refused: k is 5, but axis 2 has 4 elements"),
        ("non_zero(x = x)", "tensor<int32, [?, 3]>"),
        ("shape(x = f)", "tensor<int32, [3]>"),
        ("shape(x = scalar)", "tensor<int32, [0]>"),
        ("fill(shape = three)", "tensor<fp32, [?, ?, ?]>"),
        (
            "s = tensor<int32, [2]>([2, 3]); v = fp16(0x1p+0); fill(shape = s, value = v)",
            "tensor<fp16, [2, 3]>",
        ),
        ("s = tensor<int32, [1]>([-1]); fill(shape = s)", "refused: argument `shape` has the extent -1"),
        ("v = bool(true); fill_like(ref_tensor = f, value = v)", "tensor<bool, [?, 3, n]>"),
        ("one_hot(indices = two, one_hot_vector_size = number)", "tensor<int32, [2, ?]>"),
        (
            "a = int32(0); s = int32(5); v = fp32(0x1p+0); z = fp32(0x0p+0); one_hot(axis = a, indices = two, one_hot_vector_size = s, on_value = v, off_value = z)",
            "tensor<fp32, [5, 2]>",
        ),
        (
            "s = int32(5); v = fp32(0x1p+0); z = int32(0); one_hot(indices = two, one_hot_vector_size = s, on_value = v, off_value = z)",
            "refused: on_value…",
        ),
        ("a = int32(2); one_hot(axis = a, indices = two, one_hot_vector_size = number)", "refused: axis 2…"),
        (
            "s = int32(1); e = int32(10); t = int32(3); range_1d(end = e, start = s, step = t)",
            "tensor<int32, [3]>",
        ),
        ("s = int32(1); t = int32(3); range_1d(end = number, start = s, step = t)", "tensor<int32, [?]>"),
        ("s = int32(1); t = int32(0); range_1d(end = s, start = s, step = t)", "refused: a range from…"),
        ("s = int32(1); range_1d(end = scalar, start = s, step = s)", "refused: start, end and step…"),
        (
            "c = list<string, 24>((\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\", \"j\", \"k\", \"l\", \"m\", \"n\", \"o\", \"p\", \"q\", \"r\", \"s\", \"t\", \"u\", \"v\", \"w\", \"x\")); classify(classes = c, probabilities = x)",
            "string, dict<string, fp64>",
        ),
        (
            "c = list<string, 2>((\"a\", \"b\")); classify(classes = c, probabilities = x)",
            "refused: 2 classes for…",
        ),
        ("classify(classes = two, probabilities = x)", "refused: classes must be…"),
    ]);
}

#[test]
fn lists_states_and_blocks() {
    check(&[
        (
            "d = int32(2); n = int32(3); s = bool(false); make_list(dynamic_length = s, elem_shape = (d, n), init_length = n)",
            "list<tensor<fp32, [2, 3]>, 3>",
        ),
        (
            "d = string(\"i0\"); t = string(\"fp16\"); make_list(dtype = t, elem_shape = (d))",
            "list<tensor<fp16, [?]>, ?>",
        ),
        ("list_length(ls = x)", "refused: argument `ls` must be a list…"),
        ("read_state(input = kept)", "tensor<fp32, [2, 3, 4]>"),
        ("coreml_update_state(state = kept, value = x)", "tensor<fp32, [2, 3, 4]>"),
        ("coreml_update_state(state = kept, value = two)", "refused: a state of…"),
        ("read_state(input = x)", "refused: argument `input` must be a state…"),
        ("while_loop(loop_vars = (x))", "refused: its nested blocks…"),
    ]);
}

/// Lists pass from one operation to the next, states are written without a result.
#[test]
fn lists_are_read_and_states_written() {
    let text = "program(1.3)\n{\nfunc main<ios18>(tensor<fp32, [2, 3]> x, tensor<fp32, [3]> row, tensor<int32, [2]> i, \
                int32 at, state<tensor<fp32, [2, 3]>> kept) {\n\
                int32 three = const()[val = int32(3)];\n\
                list<tensor<fp32, [3]>, ?> a = make_list(elem_shape = (three));\n\
                list<tensor<fp32, [3]>, ?> b = list_write(index = at, ls = a, value = row);\n\
                list<tensor<fp32, [3]>, ?> c = list_scatter(indices = i, ls = b, value = x);\n\
                tensor<fp32, [2, 3]> g = list_gather(indices = i, ls = c);\n\
                tensor<fp32, [3]> r = list_read(index = at, ls = c);\n\
                int32 n = list_length(ls = c);\n\
                write_state(data = g, input = kept);\n\
                tensor<fp32, [2, 3]> back = read_state(input = kept);\n\
                } -> (r, n, back);\n}\n";
    assert_eq!(engrad_mil::verify(&parse(text).unwrap()), Ok(()));
    let wrong = text.replace("write_state(data = g", "write_state(data = r");
    assert!(engrad_mil::verify(&parse(&wrong).unwrap()).unwrap_err().to_string().contains("a state of"));
}
