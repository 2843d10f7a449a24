//! A library in the place of our own kernels for weight gradients: which products it gets, and what becomes of a refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engrad_kernels::{Matmul, Matrix, MatrixMut, ProductLibrary, Refusal};
use engrad_mil::DType;
use engrad_mil::pack::InputLayout;
use engrad_model::preset;
use engrad_train::{
    GradientPrecision, Network, NetworkOptions, Recompute, TrainError, Vocabulary, initialize,
};
use engrad_virtual::{Options, VirtualEngine};

/// Takes products of at least so many multiply-adds, and computes or refuses them.
#[derive(Debug)]
struct Library {
    least: usize,
    refuse: bool,
    products: AtomicUsize,
}

impl Library {
    fn new(least: usize, refuse: bool) -> Arc<Self> {
        Arc::new(Self { least, refuse, products: AtomicUsize::new(0) })
    }
}

impl ProductLibrary for Library {
    fn name(&self) -> &'static str {
        "a test's"
    }

    fn takes(&self, (rows, columns, inner): (usize, usize, usize)) -> bool {
        rows * columns * inner >= self.least
    }

    fn multiply(&self, c: MatrixMut<'_>, beta: f32, a: Matrix<'_>, b: Matrix<'_>) -> Result<(), Refusal> {
        self.products.fetch_add(1, Ordering::Relaxed);
        if self.refuse {
            return Err("no such product".into());
        }
        Matmul::new(a, b).accumulate(beta).write(c);
        Ok(())
    }
}

fn gradients(
    products: Option<Arc<dyn ProductLibrary>>,
    gradient_precision: GradientPrecision,
) -> Result<Vec<Vec<f32>>, TrainError> {
    let model = initialize(&preset("tiny").unwrap(), 7);
    let engine = VirtualEngine::new(Options { threads: Some(2), ..Options::default() }).unwrap();
    let options = NetworkOptions {
        sequence: 20,
        batch: 1,
        dtype: DType::Fp16,
        layout: InputLayout::Ports,
        training: true,
        recompute: Recompute::None,
        gradient_precision,
        products,
        vocabulary: Vocabulary::full(model.config.vocab),
    };
    let mut network = Network::new(&engine, engine.pool(), &model.config, options)?;
    network.load(&model)?;
    let tokens: Vec<u32> = (0..=20).map(|i| i * 7 % 50).collect();
    // Twice, so that the second products are added to the first ones.
    for _ in 0..2 {
        network.forward(&model, &[&tokens[..20]])?;
        network.backward(&model, &[&tokens[1..]], 64.0)?;
    }
    Ok(network.gradients()?.iter().map(|gradient| gradient.to_vec()).collect())
}

#[test]
fn widened_factors_are_the_ones_our_own_kernels_read() {
    let own = gradients(None, GradientPrecision::F32).unwrap();
    let library = Library::new(0, false);
    assert_eq!(gradients(Some(library.clone()), GradientPrecision::F32).unwrap(), own);
    let all = library.products.load(Ordering::Relaxed);
    // Some of the products, of unlike sizes.
    let config = preset("tiny").unwrap();
    let library = Library::new(config.dim * config.hidden * 20, false);
    assert_eq!(gradients(Some(library.clone()), GradientPrecision::F32).unwrap(), own);
    let some = library.products.load(Ordering::Relaxed);
    assert!(0 < some && some < all, "{some} of {all}");
}

#[test]
fn products_of_bf16_stay_here() {
    let library = Library::new(0, false);
    let found = gradients(Some(library.clone()), GradientPrecision::Bf16).unwrap();
    assert_eq!(library.products.load(Ordering::Relaxed), 0);
    assert_eq!(found, gradients(None, GradientPrecision::Bf16).unwrap());
}

#[test]
fn a_refusal_ends_the_pass_and_says_why() {
    let error = gradients(Some(Library::new(0, true)), GradientPrecision::F32).unwrap_err();
    assert_eq!(error.to_string(), "background work failed: no such product");
}
