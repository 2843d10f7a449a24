//! Short simple stories from a seed, so that training works on a machine without data or network.
//!
//! A story takes a cast of people, an animal, things and places, and tells one plot with them: a wish,
//! something in the way, talk, an end. The same names, pronouns, things and hiding places come back through a story,
//! animals keep their sounds, foods and homes through all of them, and sums come out right, so that a model gains
//! from what it remembers of the text before and of the world. Vocabulary and sentence forms are those of a picture
//! book: about a thousand different words.
//!
//! Story `i` of a seed is always the same text, on every machine and in every run of the same version.

mod cast;
mod plots;
mod template;
mod words;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// An endless sequence of stories.
#[derive(Clone, Debug)]
pub struct Stories {
    seed: u64,
    next: u64,
}

impl Stories {
    /// The sequence that `seed` gives, from its first story.
    pub fn new(seed: u64) -> Stories {
        Stories { seed, next: 0 }
    }

    /// Story `index` of the sequence, without telling the ones before. One paragraph or a few, no space at its ends.
    pub fn story(&self, index: u64) -> String {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(index);
        let mut dice = Dice(rng);
        let cast = cast::draw(&mut dice);
        plots::tell(&cast, &mut dice)
    }
}

impl Iterator for Stories {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let story = self.story(self.next);
        self.next = self.next.wrapping_add(1);
        Some(story)
    }
}

/// Chance, as few operations as stories need.
struct Dice(ChaCha8Rng);

impl Dice {
    /// A number below `sides`, which must not be 0.
    fn below(&mut self, sides: usize) -> usize {
        // The high half of the product; the bias for the short lists here is far below anything that matters.
        ((u64::from(self.0.next_u32()) * sides as u64) >> 32) as usize
    }

    /// One of `items`, which must not be empty.
    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// `count` different ones of `items`, which must have that many.
    fn pick_different<T: Copy>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut left: Vec<T> = items.to_vec();
        (0..count).map(|_| left.swap_remove(self.below(left.len()))).collect()
    }
}

#[cfg(test)]
mod tests;
