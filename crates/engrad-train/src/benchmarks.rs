//! What `benches/host.rs` times: every host kernel on data of its own, as a row of [`CASES`]. Present with the feature
//! `benchmarks` only, so that the kernels themselves stay private.
//!
//! Extents are those of Stories110M at 256 positions, with fp16 surfaces; arrays of the optimiser are larger than caches.

use engrad_engine::{EngineError, Port, Surface};
use engrad_mil::{DType, TensorType};
use engrad_model::{Parameter, ParameterRole};

use crate::gradients::{Gradient, Gradients};
use crate::host::cross_entropy::Partition;
use crate::host::rms_norm::Cotangent;
use crate::host::{Window, embedding, rms_norm};
use crate::optimizer::{AdamW, AdamWSettings, Placement};
use crate::{TrainError, Vocabulary};

const FEATURES: usize = 768;
const POSITIONS: usize = 256;
const CLASSES: usize = 32_000;
/// Elements of an activation, of a table with a row for each class, and of a block's logits.
const ACTIVATION: usize = FEATURES * POSITIONS;
const TABLE: usize = CLASSES * FEATURES;
const LOGITS: usize = CLASSES * POSITIONS;
const EPSILON: f64 = 1e-5;

/// A kernel with its data in place; each call runs it once.
pub type Prepared = Box<dyn FnMut()>;

/// A kernel to time.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Of whom, and what: `group/kernel`.
    pub name: &'static str,
    /// Elements it works on.
    pub elements: usize,
    /// Bytes it reads and writes for each element; what is both read and written counts twice.
    pub bytes_per_element: usize,
    /// Makes the data.
    pub prepare: fn() -> Result<Prepared, TrainError>,
}

const fn case(
    name: &'static str,
    elements: usize,
    bytes_per_element: usize,
    prepare: fn() -> Result<Prepared, TrainError>,
) -> Case {
    Case { name, elements, bytes_per_element, prepare }
}

/// The kernels.
pub const CASES: &[Case] = &[
    case("rms_norm/scale", ACTIVATION, 4, || {
        let x = numbers(ACTIVATION);
        prepared(move || rms_norm::scale(&x, POSITIONS, EPSILON))
    }),
    case("rms_norm/write", ACTIVATION, 4 + 2, || {
        let (x, weight, out) = (numbers(ACTIVATION), numbers(FEATURES), activation()?);
        let scale = rms_norm::scale(&x, POSITIONS, EPSILON);
        prepared(move || rms_norm::write(&x, 0..POSITIONS, &scale, &weight, &[&out]))
    }),
    case("rms_norm/add", ACTIVATION, 4 + 2 + 4, || {
        let (x, y, mut next) = (numbers(ACTIVATION), activation()?, numbers(ACTIVATION));
        prepared(move || rms_norm::add(&x, &y, 0.5, &mut next, EPSILON))
    }),
    // The cotangent is widened to a buffer and x read for sums; then both are read again and dx is added to.
    case("rms_norm/backward", ACTIVATION, (2 + 4 + 4) + (4 + 4 + 8), || {
        let (x, weight, from) = (numbers(ACTIVATION), numbers(FEATURES), activation()?);
        let scale = rms_norm::scale(&x, POSITIONS, EPSILON);
        let (mut buffer, mut dx) = (numbers(ACTIVATION), numbers(ACTIVATION));
        prepared(move || {
            rms_norm::backward(&Cotangent::Surface(&from), &mut buffer, &x, &scale, &weight, &mut dx)
        })
    }),
    case("cross_entropy/forward", LOGITS, 2, || {
        let (logits, targets) = (window(CLASSES, POSITIONS)?, targets());
        prepared(move || {
            let mut partition = Partition::new(&targets);
            partition.add_tile(&logits, 0, CLASSES);
            partition.loss_sum()
        })
    }),
    // Not in place as in training: the logits must last for the next run. The copy is the other 4 bytes.
    case("cross_entropy/gradient", LOGITS, 4 + 4, || {
        let (logits, gradient) = (window(CLASSES, POSITIONS)?, window(CLASSES, POSITIONS)?);
        let mut partition = Partition::new(&targets());
        partition.add_tile(&logits, 0, CLASSES);
        prepared(move || partition.gradient_tile(&logits, &gradient, 0, CLASSES, 1024.0))
    }),
    // The surface's cache line is read before it is written: the other 2 bytes.
    case("optimizer/adamw", TABLE, 4 + 3 * 8 + (2 + 2), || {
        let parameters = vec![Parameter {
            name: "table".to_owned(),
            shape: vec![CLASSES, FEATURES],
            role: ParameterRole::Embedding,
            layer: None,
        }];
        let mut values = vec![numbers(TABLE)];
        let mut gradient = Gradient::new(CLASSES, FEATURES)?;
        let row = numbers(FEATURES);
        (0..CLASSES).for_each(|id| gradient.add_row(id, &row));
        let gradients = Gradients(vec![gradient]);
        let places = vec![vec![Placement { first: 0, window: window(CLASSES, FEATURES)? }]];
        let vocabulary = Vocabulary::full(CLASSES);
        let mut adam = AdamW::new(AdamWSettings::default(), &parameters)?;
        prepared(move || {
            adam.update(&parameters, &mut values, &gradients, &places, &vocabulary, 1e-3, 1.0);
        })
    }),
    case("embedding/gather", ACTIVATION, 4 + 4, || {
        let (table, rows, mut out) = (numbers(TABLE), targets(), vec![0.0; ACTIVATION]);
        prepared(move || embedding::gather(&table, FEATURES, &rows, &mut out))
    }),
    case("embedding/gradient", ACTIVATION, 4 + 4, || {
        let (d_x, rows) = (numbers(ACTIVATION), targets());
        prepared(move || embedding::sum_by_row(&d_x, FEATURES, &rows))
    }),
    case("window/write", ACTIVATION, 4 + 2, || {
        let (dense, out) = (numbers(ACTIVATION), activation()?);
        prepared(move || out.write(&dense))
    }),
    case("window/write transposed", ACTIVATION, 4 + 2, || {
        let (dense, out) = (numbers(ACTIVATION), activation()?);
        prepared(move || out.write_transposed(&dense))
    }),
    case("window/read", ACTIVATION, 2 + 4, || {
        let (from, mut dense) = (activation()?, Vec::new());
        prepared(move || from.read_into(&mut dense))
    }),
    case("window/update", ACTIVATION, 2 + 2, || {
        let window = activation()?;
        prepared(move || window.update_rows(|_, line| line.iter_mut().for_each(|value| *value = -*value)))
    }),
];

#[expect(clippy::unnecessary_wraps, reason = "the tail of functions that return a result")]
fn prepared<R>(mut run: impl FnMut() -> R + 'static) -> Result<Prepared, TrainError> {
    Ok(Box::new(move || {
        std::hint::black_box(run());
    }))
}

/// Numbers between −2 and 2, not in a pattern that a branch could learn.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7_919 % 1_021) as f32 / 256.0 - 2.0).collect()
}

/// A row of a table for each position.
fn targets() -> Vec<Option<usize>> {
    (0..POSITIONS).map(|position| Some(position * 7_919 % CLASSES)).collect()
}

fn activation() -> Result<Window, EngineError> {
    window(FEATURES, POSITIONS)
}

/// An fp16 surface of such numbers.
fn window(rows: usize, columns: usize) -> Result<Window, EngineError> {
    let port = Port::new("x", TensorType::channels(DType::Fp16, rows, columns));
    let window = Window::of_port(&port, &Surface::for_port(&port)?);
    window.write(&numbers(rows * columns));
    Ok(window)
}
