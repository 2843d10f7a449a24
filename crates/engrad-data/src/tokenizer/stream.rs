//! Decoding ids as they arrive.

use super::Tokenizer;
use crate::Result;

/// Ids held back for a character that stays incomplete are given up after this many: a character has at most four
/// bytes.
const HOLD_LIMIT: usize = 4;

/// Turns ids into text one at a time, for generation that is shown while it runs.
///
/// What [`StreamDecoder::push`] returns, joined and followed by [`StreamDecoder::finish`], is the text that
/// [`Tokenizer::decode`] gives for all ids at once (valid text; bytes that never become a character may show as a
/// different number of U+FFFD). A character whose bytes come in several ids is held back until it is whole.
#[derive(Debug)]
pub struct StreamDecoder<'t> {
    tokenizer: &'t Tokenizer,
    /// The last shown ids, as context (spaces depend on the id before), then the ids held back.
    ids: Vec<u32>,
    /// How many of `ids` are context.
    shown: usize,
}

impl<'t> StreamDecoder<'t> {
    pub(super) fn new(tokenizer: &'t Tokenizer) -> Self {
        StreamDecoder { tokenizer, ids: Vec::new(), shown: 0 }
    }

    /// Takes the next id and returns the text that became certain, often one word, sometimes nothing.
    ///
    /// # Errors
    /// [`crate::Error::Tokenize`] for an id outside the vocabulary; the decoder stays usable.
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.tokenizer.decode(&[id])?;
        self.ids.push(id);
        let before = self.tokenizer.decode(&self.ids[..self.shown])?;
        let after = self.tokenizer.decode(&self.ids)?;
        let held = self.ids.len() - self.shown;
        if after.ends_with(char::REPLACEMENT_CHARACTER) && held < HOLD_LIMIT {
            return Ok(String::new());
        }
        let new = beyond(&before, &after);
        // An id without text of its own (a mark, a space that may yet be the first) waits for the next one, so that
        // there is always a shown piece before the new one.
        if new.is_empty() && held < HOLD_LIMIT {
            return Ok(new);
        }
        self.ids.drain(..self.shown);
        self.shown = self.ids.len();
        Ok(new)
    }

    /// Text still held back, with U+FFFD for what is not a character.
    ///
    /// # Errors
    /// [`crate::Error::Tokenize`] when the backend refuses the ids.
    pub fn finish(self) -> Result<String> {
        let before = self.tokenizer.decode(&self.ids[..self.shown])?;
        let after = self.tokenizer.decode(&self.ids)?;
        Ok(beyond(&before, &after))
    }
}

/// What `after` has beyond the part it shares with `before`.
fn beyond(before: &str, after: &str) -> String {
    if let Some(new) = after.strip_prefix(before) {
        return new.to_owned();
    }
    // Bytes that turned out invalid change text already shown; only what follows the common part is new.
    let shared =
        before.chars().zip(after.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    after.get(shared..).unwrap_or_default().to_owned()
}
