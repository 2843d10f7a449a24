use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};

/// Processors beyond this number are a slip of the keyboard.
const MOST: usize = 1024;

/// Processors for worker threads: thread n stays on the nth. Written as a list of numbers and ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Affinity(Vec<usize>);

impl Affinity {
    pub(crate) fn processors(&self) -> &[usize] {
        &self.0
    }

    /// Ties each thread of a pool to its processor.
    #[cfg(target_os = "linux")]
    pub(crate) fn pin(&self, pool: &ThreadPool) -> Result<()> {
        use rustix::thread::{CpuSet, sched_setaffinity};
        let tied = pool.broadcast(|thread| {
            let processor = self.0[thread.index() % self.0.len()];
            let mut set = CpuSet::new();
            set.set(processor);
            sched_setaffinity(None, &set).map_err(|error| (processor, error))
        });
        for outcome in tied {
            if let Err((processor, error)) = outcome {
                bail!("--affinity: no thread may stay on processor {processor}: {error}");
            }
        }
        Ok(())
    }

    /// Ties each thread of a pool to its processor.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn pin(&self, _: &ThreadPool) -> Result<()> {
        bail!("--affinity: this system does not tie threads to processors; leave it out")
    }
}

impl FromStr for Affinity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is no list of processors such as 0,1 or 0-3");
        let number = |text: &str| text.parse::<usize>().ok().filter(|n| *n < MOST).ok_or_else(fault);
        let mut processors = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last || (first..=last).any(|n| processors.contains(&n)) {
                return Err(fault());
            }
            processors.extend(first..=last);
        }
        Ok(Self(processors))
    }
}

impl TryFrom<String> for Affinity {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Affinity> for String {
    fn from(affinity: Affinity) -> Self {
        affinity.to_string()
    }
}

impl fmt::Display for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&numbers.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::Affinity;

    #[test]
    fn lists_and_ranges_read_back_and_nonsense_is_refused() {
        let of = |text: &str| text.parse::<Affinity>().map(|a| a.0);
        assert_eq!(of("0-2,5"), Ok(vec![0, 1, 2, 5]));
        assert_eq!("0-2,5".parse::<Affinity>().unwrap().to_string(), "0,1,2,5");
        for text in ["", "a", "2-1", "0,0", "0-1,1", "-1", "1-", "4096", "0-99999999"] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
