//! Memory that the two halves of a step need in turn.
//!
//! At the end of the backward pass all gradients exist, and nearly nothing that the forward pass left is still needed; in
//! the forward pass it is the other way round, since the first product of an update overwrites what a gradient held. So
//! after an update the gradients of the first layers, which are formed last, are given back to the system, and before
//! they are formed as much of what the layers above and the head kept. Both come back as zero pages when they are next
//! written. No result depends on it: what is given back is never read before it is written again.
//!
//! Surfaces of a device stay as they are.

use engrad_engine::EngineError;
use engrad_model::{ModelConfig, Parameter};

use super::Network;
use crate::TrainError;

/// Layers whose gradients are given back.
const LAYERS: usize = 3;
/// Less than this is not worth the page faults.
const LEAST_BYTES: usize = 128 << 20;

/// What a network gives back.
#[derive(Debug, Clone, Copy)]
pub(super) struct InTurn {
    /// First layers, whose gradients are given back; 0 for none.
    pub(super) layers: usize,
    /// Size of these gradients.
    bytes: usize,
    /// Whether they are given back, so that what they need must be found before they are formed.
    away: bool,
}

impl InTurn {
    pub(super) fn new(config: &ModelConfig, parameters: &[Parameter], training: bool) -> Self {
        let in_turn = Self::of_layers(LAYERS.min(config.layers / 2), parameters);
        if training && in_turn.bytes >= LEAST_BYTES { in_turn } else { Self::of_layers(0, parameters) }
    }

    fn of_layers(layers: usize, parameters: &[Parameter]) -> Self {
        let mut in_turn = Self { layers, bytes: 0, away: true };
        let elements = parameters.iter().filter(|p| in_turn.covers(p)).map(Parameter::len);
        in_turn.bytes = elements.sum::<usize>() * size_of::<f32>();
        in_turn
    }

    fn covers(&self, parameter: &Parameter) -> bool {
        parameter.layer.is_some_and(|layer| layer < self.layers)
    }
}

impl Network {
    /// To be called when the gradients are cleared.
    pub(super) fn give_back_gradients(&mut self) -> Result<(), TrainError> {
        let in_turn = self.in_turn;
        let covered: Vec<usize> =
            self.parameters.iter().enumerate().filter(|(_, p)| in_turn.covers(p)).map(|(i, _)| i).collect();
        let mut gradients = self.gradients()?;
        covered.into_iter().try_for_each(|parameter| gradients.0[parameter].give_back())?;
        drop(gradients);
        self.in_turn.away = true;
        Ok(())
    }

    /// To be called before the gradients of `layer` are formed, when those of all layers above are.
    pub(super) fn give_back_activations(&mut self, layer: usize) -> Result<(), TrainError> {
        let InTurn { layers, bytes, away } = self.in_turn;
        if layer + 1 != layers || !away {
            return Ok(());
        }
        self.in_turn.away = false;
        self.wait(self.head.pending())?;
        let mut given = self.head.give_back()? + self.streams.give_back(2 * layers)?;
        for above in (layers..self.layers.len()).rev() {
            if given >= bytes {
                break;
            }
            let layer = &self.layers[above];
            self.wait(layer.attention.pending.max(layer.feed_forward.pending))?;
            let layer = &self.layers[above];
            given += layer.attention.give_back()? + layer.feed_forward.give_back()?;
        }
        Ok(())
    }
}

/// The sum of what each gives back.
pub(super) fn total(
    each: impl IntoIterator<Item = Result<usize, EngineError>>,
) -> Result<usize, EngineError> {
    each.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engrad_mil::DType;
    use engrad_mil::pack::InputLayout;
    use engrad_model::preset;
    use engrad_virtual::{Options, VirtualEngine};

    use super::*;
    use crate::{Gradient, GradientPrecision, NetworkOptions, Recompute, Vocabulary, initialize};

    #[test]
    fn only_large_layers_are_worth_it() {
        for (name, layers) in [("qwen3-0.6b", 3), ("stories110m", 0), ("tiny", 0)] {
            let config = preset(name).unwrap();
            let in_turn = InTurn::new(&config, &config.parameters(), true);
            assert_eq!(in_turn.layers, layers, "{name}");
            assert_eq!(InTurn::new(&config, &config.parameters(), false).layers, 0);
        }
    }

    #[test]
    fn gradients_and_logits_are_those_of_a_network_that_keeps_everything() {
        let config = ModelConfig { layers: 4, ..preset("tiny").unwrap() };
        let model = initialize(&config, 3);
        let tokens: Vec<u32> = (0..21).map(|i| i * 37 % config.vocab as u32).collect();
        for recompute in [Recompute::None, Recompute::Attention, Recompute::Layer] {
            let run = |layers: usize| {
                let engine = VirtualEngine::new(Options::default()).unwrap();
                let options = NetworkOptions {
                    sequence: 20,
                    batch: 1,
                    dtype: DType::Fp16,
                    layout: InputLayout::Ports,
                    training: true,
                    recompute,
                    gradient_precision: GradientPrecision::F32,
                    products: None,
                    vocabulary: Vocabulary::full(config.vocab),
                };
                let mut network =
                    Network::new(&engine, Arc::clone(&engine.pool()), &config, options).unwrap();
                network.in_turn = InTurn::of_layers(layers, &network.parameters);
                // As if nothing were ever enough, so that everything is given back.
                network.in_turn.bytes = if layers > 0 { usize::MAX } else { 0 };
                network.load(&model).unwrap();
                for _ in 0..2 {
                    network.clear_gradients().unwrap();
                    // The second adds to gradients that exist.
                    for _ in 0..2 {
                        network.forward(&model, &[&tokens[..20]]).unwrap();
                        network.backward(&model, &[&tokens[1..]], 64.0).unwrap();
                    }
                }
                let logits = network.logits(&model, 20).unwrap();
                let sums = network.gradients().unwrap();
                (logits, sums.iter().map(Gradient::to_vec).collect::<Vec<_>>())
            };
            let kept = run(0);
            assert!(kept.1.iter().flatten().any(|&g| g != 0.0));
            assert!(kept == run(1) && kept == run(3), "{recompute:?}");
        }
    }
}
