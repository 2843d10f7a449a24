//! Memory that the two halves of a step need in turn.
//!
//! At the end of the backward pass all gradients exist, and nearly nothing that the forward pass left is still needed; in
//! the forward pass it is the other way round, since the first product of an update overwrites what a gradient held. So
//! the gradients of the first layers, which are formed last, have no memory of their own: they are formed in that of what
//! the layers above kept, which goes back to its owners when the gradients are cleared. No result depends on it: what was
//! there is never read before it is written again.
//!
//! A pass that adds to gradients which exist finds their memory in use, and its activations in new memory.
//!
//! Surfaces of a device stay as they are; gradients are then in memory of the host's own.

use engrad_engine::{HostMemory, Surface};
use engrad_model::{ModelConfig, Parameter};

use super::Network;
use crate::TrainError;
use crate::host::Buffer;

/// Layers whose gradients are in borrowed memory.
const LAYERS: usize = 3;
/// Less than this is not worth the trouble.
const LEAST_BYTES: usize = 128 << 20;
/// Smaller gradients stay where they are: they would take a whole piece of memory each.
const LEAST_PARAMETER: usize = 1 << 18;

/// Who lends memory.
#[derive(Debug)]
enum Lender {
    Surface(Surface),
    /// A place of the residual stream.
    Stream(usize),
}

/// What a network uses in turn.
#[derive(Debug)]
pub(super) struct InTurn {
    /// First layers, whose gradients borrow; 0 for none.
    pub(super) layers: usize,
    /// Size of these gradients.
    bytes: usize,
    /// Gradients of at least so many elements borrow.
    least: usize,
    /// Whether they have no memory, so that it must be found before they are formed.
    away: bool,
    /// Whose memory they have, and how much of it.
    lenders: Vec<(Lender, usize)>,
}

impl InTurn {
    pub(super) fn new(config: &ModelConfig, parameters: &[Parameter], training: bool) -> Self {
        let in_turn = Self::of_layers(LAYERS.min(config.layers / 2), LEAST_PARAMETER, parameters);
        if training && in_turn.bytes >= LEAST_BYTES {
            in_turn
        } else {
            Self::of_layers(0, LEAST_PARAMETER, parameters)
        }
    }

    fn of_layers(layers: usize, least: usize, parameters: &[Parameter]) -> Self {
        let mut in_turn = Self { layers, bytes: 0, least, away: true, lenders: Vec::new() };
        let elements = parameters.iter().filter(|p| in_turn.covers(p)).map(Parameter::len);
        in_turn.bytes = elements.sum::<usize>() * size_of::<f32>();
        in_turn
    }

    fn covers(&self, parameter: &Parameter) -> bool {
        parameter.len() >= self.least && parameter.layer.is_some_and(|layer| layer < self.layers)
    }
}

impl Network {
    fn borrowing(&self) -> Vec<usize> {
        let all = self.parameters.iter().enumerate();
        all.filter(|(_, p)| self.in_turn.covers(p)).map(|(i, _)| i).collect()
    }

    /// To be called when the gradients are cleared: what they borrowed goes back.
    pub(super) fn return_memory(&mut self) -> Result<(), TrainError> {
        let borrowing = self.borrowing();
        let mut gradients = self.gradients()?;
        let mut memory = Vec::new();
        borrowing.into_iter().for_each(|parameter| memory.extend(gradients.0[parameter].take_memory()));
        drop(gradients);
        self.in_turn.away = true;
        self.give(memory);
        // Whose memory found no use, and was dropped, has other by now.
        self.in_turn.lenders.clear();
        Ok(())
    }

    /// Memory back to lenders who lent as much.
    fn give(&mut self, memory: Vec<HostMemory>) {
        for memory in memory {
            let Some(at) = self.in_turn.lenders.iter().position(|(_, bytes)| *bytes == memory.len()) else {
                continue; // the gradients' own, of before the first pass
            };
            match self.in_turn.lenders.swap_remove(at).0 {
                Lender::Surface(surface) => drop(surface.put_memory(memory)),
                Lender::Stream(place) => *self.streams.memory(place) = Buffer::from_memory(memory),
            }
        }
    }

    /// To be called before the gradients of `layer` are formed, when those of all layers above are or are being: finds
    /// memory for them.
    pub(super) fn borrow_memory(&mut self, layer: usize) -> Result<(), TrainError> {
        if layer + 1 != self.in_turn.layers || !self.in_turn.away {
            return Ok(());
        }
        self.in_turn.away = false;
        // Nothing reads what the layers above kept once their gradients are formed.
        drop(self.gradients()?);
        let (mut memory, mut found) = (Vec::new(), 0);
        let InTurn { layers, bytes, lenders, .. } = &mut self.in_turn;
        let above = self.layers[*layers..].iter().rev();
        let mut kept = above.flat_map(|layer| layer.attention.kept().iter().chain(layer.feed_forward.kept()));
        let mut places = self.streams.places_from(2 * *layers);
        while found < *bytes {
            let (lender, taken) = if let Some(place) = places.next() {
                (Lender::Stream(place), self.streams.memory(place).take_memory()?)
            } else if let Some(surface) = kept.next() {
                let Some(taken) = surface.take_memory()? else { continue };
                (Lender::Surface(surface.clone()), taken)
            } else {
                break;
            };
            found += taken.len();
            lenders.push((lender, taken.len()));
            memory.push(taken);
        }
        let borrowing = self.borrowing();
        let mut gradients = self.gradients()?;
        for parameter in borrowing {
            gradients.0[parameter].find_memory(&mut memory)?;
        }
        drop(gradients);
        self.give(memory);
        Ok(())
    }
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
                network.in_turn = InTurn::of_layers(layers, 1, &network.parameters);
                // As if nothing were ever enough, so that everything is taken.
                network.in_turn.bytes = if layers > 0 { usize::MAX } else { 0 };
                network.load(&model).unwrap();
                for _ in 0..2 {
                    network.clear_gradients().unwrap();
                    // The second adds to gradients that exist.
                    for _ in 0..2 {
                        network.forward(&model, &[&tokens[..20]]).unwrap();
                        network.backward(&model, &[&tokens[1..]], 64.0).unwrap();
                        assert_eq!(network.in_turn.lenders.is_empty(), layers == 0, "{recompute:?}");
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
