//! Operations that move, join, index, sort and make tensors, on small tensors: text in, numbers out. What they give on
//! random ones is compared with coremltools by `tools/coremltools/compare_ops.py`.

use engrad_mil::{Constant, DType, parse};
use engrad_virtual::{Options, VirtualEngine};

/// Runs `constants; …; call`, whose result is declared as `ty`, on `x` = [[0, 1, 2], [3, 4, 5]], integers `v` = [3, −1, 2, 2],
/// `image` with eight channels 0, 1 … of one pixel, and `i`, the given integers.
fn run(ty: &str, statement: &str, i: &[i32]) -> Result<Constant, String> {
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
        "program(1.3)\n{{\nfunc main<ios18>(tensor<fp32, [2, 3]> x, tensor<int32, [4]> v, \
         tensor<fp32, [1, 8, 1, 1]> image, tensor<int32, [{}]> i) {{\n{constants}{ty} y = {}; }} -> (y);\n}}\n",
        i.len(),
        call.trim()
    );
    let program = parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let engine = VirtualEngine::new(Options { threads: Some(1), ..Options::default() }).unwrap();
    let mut interpreter = engine.interpreter(&program, None).map_err(|e| e.to_string())?;
    let counting: Vec<f32> = (0..8u8).map(f32::from).collect();
    let inputs = [
        ("x", Constant::floats(DType::Fp32, [2, 3], &counting[..6]).unwrap()),
        ("v", Constant::ints(&[3, -1, 2, 2])),
        ("image", Constant::floats(DType::Fp32, [1, 8, 1, 1], &counting).unwrap()),
        ("i", Constant::ints(i)),
    ];
    let inputs = inputs.map(|(name, constant)| (name.to_owned(), constant));
    interpreter.run(&inputs).map(|mut outputs| outputs.remove(0).1).map_err(|e| e.to_string())
}

fn check_with(i: &[i32], ty: &str, statement: &str, shape: &[usize], expected: &[f64]) {
    let result = run(ty, statement, i).unwrap_or_else(|e| panic!("{statement}: {e}"));
    let found = (result.ty.shape.clone(), result.to_f64().unwrap());
    assert_eq!(found, (shape.to_vec(), expected.to_vec()), "{statement}");
}

fn check(ty: &str, statement: &str, shape: &[usize], expected: &[f64]) {
    check_with(&[0], ty, statement, shape, expected);
}

/// Refused while running, for a reason that contains `reason`.
fn refused(i: &[i32], ty: &str, statement: &str, reason: &str) {
    let error = run(ty, statement, i).expect_err(statement);
    assert!(error.contains(reason) && error.contains("evaluation failed"), "{statement}: {error}");
}

#[test]
fn transposed_reversed_and_tiled() {
    let columns = [0., 3., 1., 4., 2., 5.];
    check(
        "tensor<fp32, [3, 2]>",
        "p = tensor<int32, [2]>([1, 0]); transpose(perm = p, x = x)",
        &[3, 2],
        &columns,
    );
    check("tensor<fp32, [2, 3]>", "reverse(x = x)", &[2, 3], &[5., 4., 3., 2., 1., 0.]);
    check(
        "tensor<fp32, [2, 3]>",
        "a = tensor<int32, [1]>([-1]); reverse(axes = a, x = x)",
        &[2, 3],
        &[2., 1., 0., 5., 4., 3.],
    );
    check(
        "tensor<int32, [8]>",
        "r = tensor<int32, [1]>([2]); tile(reps = r, x = v)",
        &[8],
        &[3., -1., 2., 2., 3., -1., 2., 2.],
    );
    check_with(
        &[2, 0],
        "tensor<fp32, [2, 3]>",
        "a = int32(1); reverse_sequence(lengths = i, seq_axis = a, x = x)",
        &[2, 3],
        &[1., 0., 2., 3., 4., 5.],
    );
}

#[test]
fn shapes_computed_while_running() {
    let x = [0., 1., 2., 3., 4., 5.];
    check_with(&[3, -1], "tensor<fp32, [?, ?]>", "reshape(shape = i, x = x)", &[3, 2], &x);
    // A zero is the dimension at that place from the right, or one.
    check_with(&[0, -1, 0], "tensor<fp32, [?, ?, ?]>", "reshape(shape = i, x = x)", &[1, 2, 3], &x);
    check_with(&[2, 1], "tensor<fp32, [?, ?]>", "fill(shape = i)", &[2, 1], &[0., 0.]);
    check("tensor<int32, [?, 1]>", "non_zero(x = v)", &[4, 1], &[0., 1., 2., 3.]);
    check_with(
        &[1, -2],
        "tensor<fp32, [1, 2]>",
        "s = tensor<int32, [2]>([-1, 2]); slice_by_size(begin = i, size = s, x = x)",
        &[1, 2],
        &[4., 5.],
    );
    check_with(
        &[0, 1, 1, 0],
        "tensor<fp32, [?, ?]>",
        "pad(pad = i, x = x)",
        &[3, 4],
        &[0., 0., 1., 2., 0., 3., 4., 5., 0., 0., 0., 0.],
    );
}

#[test]
fn blocks_of_pixels_are_ordered_by_place_or_by_channel() {
    let ty = "tensor<fp32, [1, 2, 2, 2]>";
    let by_place = [0., 2., 4., 6., 1., 3., 5., 7.];
    check(ty, "b = int32(2); depth_to_space(block_size = b, x = image)", &[1, 2, 2, 2], &by_place);
    let by_channel = [0., 1., 2., 3., 4., 5., 6., 7.];
    check(ty, "b = int32(2); pixel_shuffle(upscale_factor = b, x = image)", &[1, 2, 2, 2], &by_channel);
}

#[test]
fn joins_and_margins() {
    let a = "a = int32(0);";
    let rows = [0., 1., 2., 0., 1., 2., 3., 4., 5., 3., 4., 5.];
    check(
        "tensor<fp32, [4, 3]>",
        &format!("{a} t = bool(true); concat(axis = a, interleave = t, values = (x, x))"),
        &[4, 3],
        &rows,
    );
    check("tensor<fp32, [2, 2, 3]>", "a = int32(1); stack(axis = a, values = (x, x))", &[2, 2, 3], &rows);
    let mirrored = [2., 1., 0., 1., 2., 1., 0., 1., 5., 4., 3., 4., 5., 4., 3., 4.];
    check(
        "tensor<fp32, [2, 8]>",
        "m = string(\"reflect\"); p = tensor<int32, [2]>([2, 3]); pad(mode = m, pad = p, x = x)",
        &[2, 8],
        &mirrored,
    );
    check(
        "tensor<int32, [7]>",
        "m = string(\"replicate\"); p = tensor<int32, [2]>([1, 2]); pad(mode = m, pad = p, x = v)",
        &[7],
        &[3., 3., -1., 2., 2., 2., 2.],
    );
    check(
        "tensor<int32, [5]>",
        "c = int32(16777217); p = tensor<int32, [2]>([0, 1]); pad(constant_val = c, pad = p, x = v)",
        &[5],
        &[3., -1., 2., 2., 16777217.],
    );
}

#[test]
fn parts_are_taken_and_replaced() {
    let slice = "b = tensor<int32, [2]>([-1, 2]); e = tensor<int32, [2]>([0, 0]); s = tensor<int32, [2]>([1, -2]); \
                 m = tensor<bool, [2]>([false, true]); q = tensor<bool, [2]>([true, false]);";
    let bounds = "begin = b, end = e, end_mask = m, squeeze_mask = q, stride = s";
    check("tensor<fp32, [2]>", &format!("{slice} slice_by_index({bounds}, x = x)"), &[2], &[5., 3.]);
    check(
        "tensor<fp32, [2, 3]>",
        &format!("{slice} u = tensor<fp32, [2]>([8, 9]); slice_update({bounds}, update = u, x = x)"),
        &[2, 3],
        &[0., 1., 2., 9., 4., 8.],
    );
    check(
        "tensor<fp32, [2, 3]>",
        "l = int32(0); u = int32(1); band_part(lower = l, upper = u, x = x)",
        &[2, 3],
        &[0., 1., 0., 0., 4., 5.],
    );
    check(
        "tensor<int32, [2, 3]>",
        "a = int32(0); n = int32(3); s = int32(1); sliding_windows(axis = a, size = n, stride = s, x = v)",
        &[2, 3],
        &[3., -1., 2., -1., 2., 2.],
    );
}

#[test]
fn gathered_and_scattered() {
    check_with(
        &[-1, 0],
        "tensor<fp32, [2, 2]>",
        "a = int32(1); gather(axis = a, indices = i, x = x)",
        &[2, 2],
        &[2., 0., 5., 3.],
    );
    let twice = "m = string(\"update\"); n = tensor<int32, [2]>([8, 9]);";
    check_with(
        &[1, 1],
        "tensor<int32, [4]>",
        &format!("{twice} scatter(data = v, indices = i, mode = m, updates = n)"),
        &[4],
        &[3., 9., 2., 2.],
    );
    check_with(
        &[1, 1],
        "tensor<int32, [4]>",
        "n = tensor<int32, [2]>([8, 9]); scatter(data = v, indices = i, updates = n)",
        &[4],
        &[3., 16., 2., 2.],
    );
    check("int32", "j = int32(3); gather(indices = j, x = v)", &[], &[2.]);
}

#[test]
fn equal_elements_keep_their_order() {
    check("tensor<int32, [4]>", "argsort(x = v)", &[4], &[0., 2., 3., 1.]);
    check("tensor<int32, [4]>", "u = bool(true); argsort(ascending = u, x = v)", &[4], &[1., 2., 3., 0.]);
    check(
        "tensor<int32, [2]>",
        "k = int32(2); r = bool(false); topk(k = k, return_indices = r, x = v)",
        &[2],
        &[3., 2.],
    );
}

#[test]
fn indices_outside_a_vector_are_cold() {
    check_with(
        &[2, -1, 3],
        "tensor<int32, [3, 3]>",
        "n = int32(3); one_hot(indices = i, one_hot_vector_size = n)",
        &[3, 3],
        &[0., 0., 1., 0., 0., 0., 0., 0., 0.],
    );
}

#[test]
fn a_nan_is_sorted_last_both_ways() {
    let text = |up: bool| {
        format!(
            "program(1.3)\n{{\nfunc main<ios18>(tensor<fp32, [3]> x) {{\nbool up = const()[val = bool({up})];\n\
             tensor<int32, [3]> y = argsort(ascending = up, x = x); }} -> (y);\n}}\n"
        )
    };
    for (up, order) in [(false, [2, 1, 0]), (true, [1, 2, 0])] {
        let engine = VirtualEngine::new(Options { threads: Some(1), ..Options::default() }).unwrap();
        let mut interpreter = engine.interpreter(&parse(&text(up)).unwrap(), None).unwrap();
        let x = Constant::floats(DType::Fp32, [3], &[f32::NAN, -1.0, 7.0]).unwrap();
        assert_eq!(interpreter.run(&[("x".to_owned(), x)]).unwrap()[0].1, Constant::ints(&order));
    }
}

/// The first of equals wins; probabilities keep the order of the classes.
#[test]
fn a_classifier_names_the_most_likely_class() {
    let text = "program(1.3)\n{\nfunc main<ios18>(tensor<fp32, [1, 3]> p) {\n\
                list<string, 3> c = const()[val = list<string, 3>((\"cat\", \"dog\", \"eel\"))];\n\
                string label, dict<string, fp64> probabilities = classify(classes = c, probabilities = p); } \
                -> (label, probabilities);\n}\n";
    let engine = VirtualEngine::new(Options { threads: Some(1), ..Options::default() }).unwrap();
    let mut interpreter = engine.interpreter(&parse(text).unwrap(), None).unwrap();
    let p = Constant::floats(DType::Fp32, [1, 3], &[0.25, 0.5, 0.5]).unwrap();
    let outputs = interpreter.run(&[("p".to_owned(), p)]).unwrap();
    assert_eq!(outputs[0].1, Constant::string("dog"));
    assert_eq!(outputs[1].1.to_f64().unwrap(), [0.25, 0.5, 0.5]);
}

/// What a type rule cannot see is refused when it happens: positions, extents and counts that are computed.
#[test]
fn values_that_do_not_fit_are_refused_and_never_a_panic() {
    refused(&[4], "tensor<int32, [1]>", "gather(indices = i, x = v)", "index 4 is outside 4");
    refused(&[-5], "tensor<int32, [1]>", "gather(indices = i, x = v)", "index -5 is outside 4");
    let validate = "t = bool(true); gather(indices = i, validate_indices = t, x = v)";
    refused(&[-1], "tensor<int32, [1]>", validate, "index -1 is outside 4");
    refused(&[5], "tensor<fp32, [?]>", "reshape(shape = i, x = x)", "cannot become");
    refused(&[-1, -1], "tensor<fp32, [?, ?]>", "reshape(shape = i, x = x)", "two extents");
    refused(&[-7], "tensor<fp32, [?]>", "fill(shape = i)", "negative");
    refused(&[i32::MAX, i32::MAX, 0], "tensor<fp32, [?, ?, ?]>", "fill(shape = i)", "too large");
    refused(&[i32::MAX], "tensor<int32, [?]>", "tile(reps = i, x = v)", "too large");
    refused(&[0, i32::MAX, 0, 1], "tensor<fp32, [?, ?]>", "pad(pad = i, x = x)", "too large");
    let mirror = "m = string(\"reflect\"); pad(mode = m, pad = i, x = x)";
    refused(&[0, i32::MAX, 0, 1], "tensor<fp32, [?, ?]>", mirror, "too large");
    refused(&[0, 1, 0, -1], "tensor<fp32, [?, ?]>", "pad(pad = i, x = x)", "negative");
    let size = "s = tensor<int32, [2]>([1, 2]); slice_by_size(begin = i, size = s, x = x)";
    refused(&[0, 2], "tensor<fp32, [1, 2]>", size, "not inside 3");
    let squeeze =
        "q = tensor<bool, [1]>([true]); slice_by_index(begin = i, end = i, squeeze_mask = q, x = v)";
    refused(&[4], "int32", squeeze, "index 4 is outside 4");
    refused(
        &[4, 1],
        "tensor<fp32, [2, 3]>",
        "a = int32(1); reverse_sequence(lengths = i, seq_axis = a, x = x)",
        "longer",
    );
    let divided = "m = string(\"div\"); n = tensor<int32, [1]>([0]); scatter(data = v, indices = i, mode = m, updates = n)";
    refused(&[0], "tensor<int32, [4]>", divided, "divided by zero");
}
