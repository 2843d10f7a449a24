//! Training a byte-level BPE vocabulary.

use std::collections::HashSet;

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer as Backend};

use super::{Tokenizer, refusal};
use crate::{Error, Result};

/// The marks of a trained vocabulary, with the ids 0, 1, 2 that llama2.c programs expect.
const MARKS: [&str; 3] = ["<unk>", "<s>", "</s>"];

/// Smallest vocabulary that can be trained: three marks and every byte.
pub const MIN_TRAINED_VOCABULARY: u32 = MARKS.len() as u32 + 256;

/// Largest vocabulary that can be trained; the trainer reserves memory for all of it.
pub const MAX_TRAINED_VOCABULARY: u32 = 1 << 20;

/// Settings of [`Tokenizer::train_bpe`].
#[derive(Clone, Debug)]
pub struct TrainBpe {
    /// Size of the vocabulary, marks and bytes included. Less comes out of a text that has fewer repetitions.
    pub vocabulary: u32,
    /// A pair must occur this often to become a piece.
    pub min_frequency: u64,
}

impl TrainBpe {
    /// The usual settings for a vocabulary of the given size.
    pub fn new(vocabulary: u32) -> Self {
        TrainBpe { vocabulary, min_frequency: 2 }
    }
}

impl Tokenizer {
    /// Trains a byte-level BPE vocabulary on `texts`: any text can be spelled, none is unknown.
    ///
    /// Deterministic: the same texts in the same order give the same vocabulary. `<unk>`, `<s>` and `</s>` have the
    /// ids 0, 1 and 2.
    ///
    /// # Errors
    /// [`Error::Options`] for a vocabulary below [`MIN_TRAINED_VOCABULARY`] or above [`MAX_TRAINED_VOCABULARY`].
    pub fn train_bpe<S: AsRef<str> + Send>(
        texts: impl Iterator<Item = S> + Send,
        settings: &TrainBpe,
    ) -> Result<Tokenizer> {
        if settings.vocabulary < MIN_TRAINED_VOCABULARY {
            let given = settings.vocabulary;
            return Err(Error::Options(format!(
                "a vocabulary of {given} is too small: marks and bytes alone take {MIN_TRAINED_VOCABULARY}"
            )));
        }
        if settings.vocabulary > MAX_TRAINED_VOCABULARY {
            let given = settings.vocabulary;
            return Err(Error::Options(format!(
                "a vocabulary of {given} is too large: at most {MAX_TRAINED_VOCABULARY} pieces are trained"
            )));
        }
        let marks = MARKS.map(|mark| AddedToken::from(mark, true).normalized(false));
        let alphabet: HashSet<char> = ByteLevel::alphabet().into_iter().collect();
        let trainer = BpeTrainer::builder()
            .vocab_size(settings.vocabulary as usize)
            .min_frequency(settings.min_frequency)
            .show_progress(false)
            .special_tokens(marks.to_vec())
            .initial_alphabet(alphabet)
            .build();
        let mut backend = Backend::new(BPE::default());
        backend.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        backend.with_decoder(Some(ByteLevel::default()));
        // The wrapper, since the backend holds its model behind one.
        let mut trainer: TrainerWrapper = trainer.into();
        backend.train(&mut trainer, texts).map_err(|error| refusal("train", error))?;
        Tokenizer::new(backend, Some("<s>"), Some("</s>"))
            .map_err(|problem| Error::Tokenize { action: "train", problem })
    }
}
