use std::str::FromStr;

use engrad_engine::EngineError;
use serde::{Deserialize, Serialize};

use super::NetworkOptions;
use crate::host::Buffer;
use crate::stages::StageKind;

/// What the backward pass computes again instead of keeping it. Gradients are the same to the last bit; each step up
/// costs one more forward evaluation of the blocks it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recompute {
    /// Nothing: every layer keeps what its backward pass needs.
    #[default]
    None,
    /// The inside of attention blocks.
    Attention,
    /// Whole layers: only the residual stream before each is kept.
    Layer,
}

impl Recompute {
    const NAMES: [(&'static str, Self); 3] =
        [("none", Self::None), ("attention", Self::Attention), ("layer", Self::Layer)];

    /// Name on the command line and in the configuration file.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, policy)| *policy == self).map_or("none", |(name, _)| name)
    }

    /// Whether a stage is evaluated again before its backward pass.
    pub(super) fn covers(self, kind: StageKind) -> bool {
        match kind {
            StageKind::Attention => self != Self::None,
            StageKind::FeedForward => self == Self::Layer,
            StageKind::Classifier => false,
        }
    }
}

impl FromStr for Recompute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, policy)| *policy)
            .ok_or_else(|| format!("`{text}` is not one of none, attention, layer"))
    }
}

/// The residual stream, `[dim, positions]`, at every block's input (two for each layer) and at the head's, with the
/// norm's scale there. Points that need not outlive the pass share memory.
#[derive(Debug)]
pub(super) struct Streams {
    memory: Vec<Buffer>,
    scales: Vec<Vec<f32>>,
    /// Memory of each point.
    place: Vec<usize>,
}

impl Streams {
    pub(super) fn new(layers: usize, length: usize, options: &NetworkOptions) -> Result<Self, EngineError> {
        let points = 2 * layers + 1;
        let place: Vec<usize> = (0..points)
            .map(|point| match options.recompute {
                // What follows is formed from what came before alone.
                _ if !options.training => point % 2,
                // The point between a layer's blocks is formed again; one place serves all layers.
                Recompute::Layer if point % 2 == 1 => layers + 1,
                Recompute::Layer => point / 2,
                Recompute::None | Recompute::Attention => point,
            })
            .collect();
        let count = place.iter().max().map_or(0, |last| last + 1);
        let memory = (0..count).map(|_| Buffer::zeros(length)).collect::<Result<_, _>>()?;
        Ok(Self { memory, scales: vec![Vec::new(); points], place })
    }

    /// Places that serve only points from `first` on, the last one left out: what is there is not needed once these
    /// points' backward passes are done.
    pub(super) fn places_from(&self, first: usize) -> impl Iterator<Item = usize> + use<> {
        let last = self.place.len() - 1;
        let kept: Vec<usize> = self.place[..first].iter().chain(&self.place[last..]).copied().collect();
        (0..self.memory.len()).filter(move |place| !kept.contains(place))
    }

    /// The memory of a place.
    pub(super) fn memory(&mut self, place: usize) -> &mut Buffer {
        &mut self.memory[place]
    }

    /// The stream and its scale.
    pub(super) fn at(&self, point: usize) -> (&[f32], &[f32]) {
        (&self.memory[self.place[point]], &self.scales[point])
    }

    /// Forms the first point.
    pub(super) fn begin(&mut self, form: impl FnOnce(&mut [f32]) -> Vec<f32>) {
        self.scales[0] = form(&mut self.memory[self.place[0]]);
    }

    /// Forms the next point from `point`; `form` returns its scale.
    pub(super) fn advance(&mut self, point: usize, form: impl FnOnce(&[f32], &mut [f32]) -> Vec<f32>) {
        let places = [self.place[point], self.place[point + 1]];
        let Ok([from, next]) = self.memory.get_disjoint_mut(places) else {
            unreachable!("neighbours never share memory");
        };
        self.scales[point + 1] = form(from, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_back_and_others_are_refused() {
        for (name, policy) in Recompute::NAMES {
            assert_eq!((name.parse(), policy.name()), (Ok(policy), name));
        }
        assert_eq!("all".parse::<Recompute>().unwrap_err(), "`all` is not one of none, attention, layer");
    }
}
