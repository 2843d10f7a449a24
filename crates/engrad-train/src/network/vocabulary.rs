use crate::TrainError;

/// The token ids a run can meet, numbered densely: class numbers of the output head, row numbers of its gradient.
///
/// Ids that never occur in the data need no logits, no gradient and no update (vocabulary compaction); the full
/// vocabulary is the special case in which every id occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// Ids in ascending order; `None` for all.
    used: Option<Vec<u32>>,
    /// Number of ids of the model.
    full: usize,
}

impl Vocabulary {
    /// Every id of a model with `full` of them.
    pub fn full(full: usize) -> Self {
        Self { used: None, full }
    }

    /// Only the given ids.
    ///
    /// # Errors
    /// [`TrainError::Token`] for an id the model lacks; [`TrainError::Setting`] if there are none.
    pub fn compact(full: usize, mut ids: Vec<u32>) -> Result<Self, TrainError> {
        ids.sort_unstable();
        ids.dedup();
        if let Some((position, &id)) = ids.iter().enumerate().find(|(_, id)| **id as usize >= full) {
            return Err(TrainError::Token { id, position, vocab: full });
        }
        if ids.is_empty() {
            return Err(TrainError::setting("compact_vocabulary", "the data holds no token"));
        }
        Ok(Self { used: (ids.len() < full).then_some(ids), full })
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.used.as_ref().map_or(self.full, Vec::len)
    }

    /// Never: a model has ids.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether some ids of the model are left out.
    pub fn is_compact(&self) -> bool {
        self.used.is_some()
    }

    /// The ids in use, in ascending order; `None` for all.
    pub fn used(&self) -> Option<&[u32]> {
        self.used.as_deref()
    }

    /// The id of a class.
    pub fn id(&self, class: usize) -> usize {
        self.used.as_ref().map_or(class, |ids| ids[class] as usize)
    }

    /// The classes of ids.
    ///
    /// # Errors
    /// [`TrainError::Token`] for an id outside the model or outside the compacted set.
    pub fn classes(&self, ids: &[u32]) -> Result<Vec<usize>, TrainError> {
        let class = |(position, &id): (usize, &u32)| {
            let fault = TrainError::Token { id, position, vocab: self.full };
            match &self.used {
                None => ((id as usize) < self.full).then_some(id as usize).ok_or(fault),
                Some(ids) => ids.binary_search(&id).map_err(|_| fault),
            }
        };
        ids.iter().enumerate().map(class).collect()
    }
}
