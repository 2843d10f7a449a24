use engrad_engine::EngineError;
use engrad_model::{Parameter, ParameterRole};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Vocabulary;
use crate::gradients::{Gradient, Gradients};
use crate::host::simd::vectorized;
use crate::host::{Buffer, Window};

/// Rows listed at a time; a vocabulary has many.
const MOST_ROWS: usize = 1 << 14;

/// Constants of AdamW (arXiv 1711.05101).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay; norm weights have none.
    pub weight_decay: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1 }
    }
}

/// AdamW with its moments, one pair for each parameter.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    /// First moments, shaped as the parameters.
    pub first: Vec<Buffer>,
    /// Second moments.
    pub second: Vec<Buffer>,
    /// Updates made; the bias correction's exponent.
    pub updates: u64,
}

/// Rows of a parameter that an engine reads from a surface in the same order.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    /// First row; of the embedding and the head, first class. The first placement of a parameter has its row 0.
    pub(crate) first: usize,
    /// Where they lie, from the window's first row on; up to the next placement or the parameter's end.
    pub(crate) window: Window,
}

/// One update's scalars, in f32.
#[derive(Clone, Copy)]
struct Update {
    beta1: f32,
    beta2: f32,
    /// Learning rate with the first moment's bias correction.
    rate: f32,
    /// 1/√(second moment's bias correction).
    root: f32,
    epsilon: f32,
    /// What a decayed weight keeps of itself.
    keep: f32,
    /// Factor on gradients: loss scale, accumulation and clipping.
    factor: f32,
}

impl AdamW {
    /// Zero moments for those parameters.
    ///
    /// # Errors
    /// [`EngineError::Memory`] if the system has no room for them.
    pub fn new(settings: AdamWSettings, parameters: &[Parameter]) -> Result<Self, EngineError> {
        let zeros = || parameters.iter().map(|p| Buffer::zeros(p.len())).collect::<Result<Vec<_>, _>>();
        Ok(Self { settings, first: zeros()?, second: zeros()?, updates: 0 })
    }

    /// One update with gradients times `factor`, in one pass over memory. Gradients of the embedding and the head have
    /// a row for each class of `vocabulary`; rows of other ids stay as they are. New weights go to the surfaces of
    /// `placements`, a list for each parameter, while they are in the cache.
    #[expect(clippy::too_many_arguments, reason = "each is a different part of the training state")]
    pub(crate) fn update(
        &mut self,
        parameters: &[Parameter],
        values: &mut [Vec<f32>],
        gradients: &Gradients,
        placements: &[Vec<Placement>],
        vocabulary: &Vocabulary,
        learning_rate: f64,
        factor: f32,
    ) {
        self.updates += 1;
        let s = &self.settings;
        let exponent = self.updates.min(i32::MAX as u64) as i32;
        let plain = Update {
            beta1: s.beta1 as f32,
            beta2: s.beta2 as f32,
            rate: (learning_rate / (1.0 - s.beta1.powi(exponent))) as f32,
            root: (1.0 / (1.0 - s.beta2.powi(exponent))).sqrt() as f32,
            epsilon: s.epsilon as f32,
            keep: 1.0,
            factor,
        };
        let decayed = Update { keep: (1.0 - learning_rate * s.weight_decay) as f32, ..plain };
        let moments = self.first.iter_mut().zip(&mut self.second);
        let places = placements.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
        for ((((parameter, value), gradient), (first, second)), places) in
            parameters.iter().zip(values).zip(gradients.iter()).zip(moments).zip(places)
        {
            let update = if parameter.role.is_norm() { plain } else { decayed };
            let by_class = matches!(parameter.role, ParameterRole::Embedding | ParameterRole::Head);
            let used = if by_class { vocabulary.used() } else { None };
            let mut rows = rows_of(parameter, value, gradient, first, second, used);
            let ends = places.iter().skip(1).map(|next| next.first).chain([usize::MAX]);
            for (place, end) in places.iter().zip(ends) {
                let own = rows.by_ref().take(end - place.first).collect();
                place.window.write_items(own, |mut row: Row<'_>, line| {
                    update.apply(&mut row);
                    line.copy_from_slice(row.value);
                });
            }
            loop {
                let own: Vec<Row<'_>> = rows.by_ref().take(MOST_ROWS).collect();
                if own.is_empty() {
                    break;
                }
                own.into_par_iter().with_min_len(16).for_each(|mut row| update.apply(&mut row));
            }
        }
    }
}

/// One row of a parameter with its moments; a gradient of `None` is zero.
struct Row<'a> {
    value: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    gradient: Option<&'a [f32]>,
}

/// The rows to update, in order: all, or those of the ids in use.
fn rows_of<'a>(
    parameter: &Parameter,
    value: &'a mut [f32],
    gradient: &'a Gradient,
    first: &'a mut [f32],
    second: &'a mut [f32],
    used: Option<&'a [u32]>,
) -> impl Iterator<Item = Row<'a>> {
    let columns = row_length(parameter);
    let moments = first.chunks_mut(columns).zip(second.chunks_mut(columns));
    let mut ids = used.map(|ids| ids.iter().copied().peekable());
    value
        .chunks_mut(columns)
        .zip(moments)
        .enumerate()
        .filter(move |(id, _)| match &mut ids {
            Some(ids) => ids.next_if(|used| *used as usize == *id).is_some(),
            None => true,
        })
        .enumerate()
        .map(|(row, (_, (value, (first, second))))| Row { value, first, second, gradient: gradient.row(row) })
}

/// Elements of a parameter's row; a vector is one row.
pub(crate) fn row_length(parameter: &Parameter) -> usize {
    match parameter.shape.as_slice() {
        [_, columns] => *columns,
        _ => parameter.len(),
    }
    .max(1)
}

impl Update {
    fn apply(self, row: &mut Row<'_>) {
        let Row { value, first, second, gradient } = row;
        match gradient {
            Some(gradient) => vectorized(
                #[inline(always)]
                || {
                    let moments = first.iter_mut().zip(second.iter_mut());
                    for ((value, (first, second)), gradient) in value.iter_mut().zip(moments).zip(*gradient) {
                        self.element(value, first, second, *gradient);
                    }
                },
            ),
            None => vectorized(
                #[inline(always)]
                || {
                    let moments = first.iter_mut().zip(second.iter_mut());
                    for (value, (first, second)) in value.iter_mut().zip(moments) {
                        self.element(value, first, second, 0.0);
                    }
                },
            ),
        }
    }

    #[inline(always)]
    fn element(self, value: &mut f32, first: &mut f32, second: &mut f32, gradient: f32) {
        let g = gradient * self.factor;
        *first = self.beta1 * *first + (1.0 - self.beta1) * g;
        *second = self.beta2 * *second + (1.0 - self.beta2) * g * g;
        *value = *value * self.keep - self.rate * *first / (second.sqrt() * self.root + self.epsilon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_engine::{Port, Surface};
    use engrad_mil::{DType, TensorType};
    use engrad_model::preset;
    use proptest::prelude::*;

    fn filled(parameter: &Parameter, rows: usize, value: f32) -> Gradient {
        let columns = row_length(parameter);
        let mut gradient = Gradient::new(rows, columns).unwrap();
        (0..rows).for_each(|row| gradient.add_row(row, &vec![value; columns]).unwrap());
        gradient
    }

    #[test]
    fn two_updates_agree_with_the_formula_in_f64_and_reach_the_surface() {
        let parameters = &preset("tiny").unwrap().parameters()[2..3];
        let (rows, columns) = (parameters[0].shape[0], row_length(&parameters[0]));
        let mut adam = AdamW::new(AdamWSettings::default(), parameters).unwrap();
        let mut values = vec![vec![0.5f32; parameters[0].len()]];
        let port = Port::new("w", TensorType::channels(DType::Fp16, rows + 1, columns));
        let window = Window::of_port(&port, &Surface::for_port(&port).unwrap());
        let places = vec![vec![Placement { first: 0, window: window.clone() }]];
        let (mut w, mut m, mut v) = (0.5f64, 0.0f64, 0.0f64);
        for (t, gradient) in [(1, 0.25f64), (2, -1.0)] {
            let gradients = Gradients(vec![filled(&parameters[0], rows, gradient as f32 * 4.0)]);
            let all = Vocabulary::full(1024);
            adam.update(parameters, &mut values, &gradients, &places, &all, 0.01, 0.25);
            m = 0.9 * m + 0.1 * gradient;
            v = 0.95 * v + 0.05 * gradient * gradient;
            let (mh, vh) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.95f64.powi(t)));
            w = w * (1.0 - 0.01 * 0.1) - 0.01 * mh / (vh.sqrt() + 1e-8);
        }
        assert!((f64::from(values[0][7]) - w).abs() < 1e-6);
        let mut read = Vec::new();
        window.read_into(&mut read);
        let (used, padding) = read.split_at(rows * columns);
        assert!(used.iter().all(|&on_surface| (f64::from(on_surface) - w).abs() < 3e-4));
        assert!(padding.iter().all(|&v| v == 0.0), "rows beyond the placement were written");
    }

    #[test]
    fn rows_of_unused_ids_stay_and_norms_are_not_decayed() {
        let config = preset("tiny").unwrap();
        let parameters = config.parameters();
        let vocabulary = Vocabulary::compact(config.vocab, vec![3, 7]).unwrap();
        let mut values: Vec<Vec<f32>> = parameters.iter().map(|p| vec![1.0; p.len()]).collect();
        let zero = |p: &Parameter| {
            let columns = row_length(p);
            Gradient::new(if columns == p.len() { 1 } else { p.shape[0] }, columns).unwrap()
        };
        let mut gradients = Gradients(parameters.iter().map(zero).collect());
        let dim = config.dim;
        gradients.0[0] = Gradient::new(2, dim).unwrap();
        gradients.0[0].add_row(1, &vec![1.0; dim]).unwrap();
        let mut adam = AdamW::new(AdamWSettings::default(), &parameters).unwrap();
        adam.update(&parameters, &mut values, &gradients, &[], &vocabulary, 0.1, 1.0);
        assert_eq!(values[0][2 * dim], 1.0);
        assert_eq!(values[0][3 * dim], 0.99, "a row without gradient is decayed");
        assert!(values[0][7 * dim] < 0.95, "the second class is id 7");
        assert!(values[1].iter().all(|&v| v == 1.0), "norm decayed");
        assert!(values[2].iter().all(|&v| v < 1.0), "projection not decayed");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_shape_agrees_with_a_plain_loop_in_f64(
            rows in 1usize..70, columns in 1usize..70, tile in 1usize..70, role in prop_oneof![
                Just(ParameterRole::Gate), Just(ParameterRole::Norm), Just(ParameterRole::Head)
            ], factor in 0.01f32..1.0, seed in 1usize..1_000,
        ) {
            let value = |i: usize| ((i + seed) * 7_919 % 1_021) as f32 / 512.0 - 1.0;
            let parameter = Parameter { name: "w".into(), shape: vec![rows, columns], role, layer: None };
            let mut gradient = Gradient::new(rows, columns).unwrap();
            // Every third row has no gradient.
            let with_gradient = |row: usize| row % 3 != 2;
            for row in (0..rows).filter(|&row| with_gradient(row)) {
                let line: Vec<f32> = (0..columns).map(|c| value(row * columns + c + 5)).collect();
                gradient.add_row(row, &line).unwrap();
            }
            let window = |_| {
                let port = Port::new("w", TensorType::channels(DType::Fp32, tile, columns));
                Window::of_port(&port, &Surface::for_port(&port).unwrap())
            };
            let windows: Vec<Window> = (0..rows.div_ceil(tile)).map(window).collect();
            let place = |(i, window): (usize, &Window)| Placement { first: i * tile, window: window.clone() };
            let places = vec![windows.iter().enumerate().map(place).collect()];
            let (mut values, gradients) =
                (vec![(0..rows * columns).map(value).collect::<Vec<f32>>()], Gradients(vec![gradient]));
            let (settings, rate) = (AdamWSettings::default(), 0.02);
            let (parameters, all) = ([parameter], Vocabulary::full(rows));
            let mut adam = AdamW::new(settings, &parameters).unwrap();
            for _ in 0..2 {
                adam.update(&parameters, &mut values, &gradients, &places, &all, rate, factor);
            }
            let decay = if role.is_norm() { 0.0 } else { settings.weight_decay };
            for (i, found) in values[0].iter().enumerate() {
                let g = if with_gradient(i / columns) { f64::from(value(i + 5) * factor) } else { 0.0 };
                let (mut w, mut m, mut v) = (f64::from(value(i)), 0.0, 0.0);
                for t in 1..=2 {
                    m = settings.beta1 * m + (1.0 - settings.beta1) * g;
                    v = settings.beta2 * v + (1.0 - settings.beta2) * g * g;
                    let corrected = m / (1.0 - settings.beta1.powi(t));
                    let root = (v / (1.0 - settings.beta2.powi(t))).sqrt();
                    w = w * (1.0 - rate * decay) - rate * corrected / (root + settings.epsilon);
                }
                prop_assert!((f64::from(*found) - w).abs() < 1e-5, "{i}: {found} instead of {w}");
            }
            let mut on_surfaces = Vec::new();
            for window in &windows {
                let mut read = Vec::new();
                window.read_into(&mut read);
                on_surfaces.extend(read);
            }
            prop_assert_eq!(&on_surfaces[..rows * columns], &values[0][..]);
        }
    }
}
