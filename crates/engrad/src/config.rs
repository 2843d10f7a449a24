//! The configuration of a run: one TOML file, overridden by flags, saved as resolved with the run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use engrad_train::trainer::TrainSettings;
use serde::{Deserialize, Serialize};

use crate::affinity::Affinity;
use crate::environment::{EngineChoice, LayoutChoice, NumericsChoice};
use crate::host_products::HostProductsChoice;

/// Every setting of `engrad train`; all are optional in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RunConfig {
    /// Preset name, TOML model description, `config.json`, or weights to fine-tune.
    pub(crate) model: String,
    /// Dataset; unset, the stories this project generates.
    pub(crate) data: Option<PathBuf>,
    /// Tokenizer for samples of text; unset, the dataset's own.
    pub(crate) tokenizer: Option<PathBuf>,
    /// Where programs run.
    pub(crate) engine: EngineChoice,
    /// Numbers inside the programs.
    pub(crate) numerics: NumericsChoice,
    /// Input layout of the programs.
    pub(crate) layout: LayoutChoice,
    /// Who forms weight gradients; in the file of a run that was begun, what the choice came to.
    pub(crate) host_products: Option<HostProductsChoice>,
    /// Worker threads.
    pub(crate) threads: Option<u16>,
    /// Processors that the worker threads stay on.
    pub(crate) affinity: Option<Affinity>,
    /// Scale block outputs by 1/√(2·layers).
    pub(crate) deepnet_residual: bool,
    /// Optimisation and schedule.
    pub(crate) train: TrainSettings,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            model: "stories110m".to_owned(),
            data: None,
            tokenizer: None,
            engine: EngineChoice::default(),
            numerics: NumericsChoice::default(),
            layout: LayoutChoice::default(),
            host_products: None,
            threads: None,
            affinity: None,
            deepnet_residual: false,
            train: TrainSettings::default(),
        }
    }
}

impl RunConfig {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(&crate::sources::read_text(path)?).with_context(|| format!("{}", path.display()))
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    pub(crate) fn to_toml(&self) -> Result<String> {
        Ok(toml::to_string(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolved_configuration_reads_back() {
        let config = RunConfig { deepnet_residual: true, ..RunConfig::default() };
        assert_eq!(RunConfig::parse(&config.to_toml().unwrap()).unwrap(), config);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = RunConfig::parse("[train]\nlearnin_rate = 1.0\n").unwrap_err();
        assert!(crate::display::one_line(&error).contains("learnin_rate"));
    }
}
