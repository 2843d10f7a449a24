use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Pass,
    Fail,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectation {
    check: String,
    chip: String,
    os: String,
    pub(crate) outcome: Outcome,
    pub(crate) because: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectations {
    expectation: Vec<Expectation>,
}

/// A star at the end fits everything that begins so.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => text == pattern,
    }
}

impl Expectations {
    pub(crate) fn read(text: &str) -> Self {
        toml::from_str(text).unwrap()
    }

    pub(crate) fn checks(&self) -> impl Iterator<Item = &str> {
        self.expectation.iter().map(|e| e.check.as_str())
    }

    pub(crate) fn find(&self, check: &str, chip: &str, os: &str) -> Expectation {
        let fitting = |e: &&Expectation| e.check == check && fits(&e.chip, chip) && fits(&e.os, os);
        self.expectation.iter().find(fitting).cloned().unwrap_or_else(|| Expectation {
            check: check.to_owned(),
            chip: chip.to_owned(),
            os: os.to_owned(),
            outcome: Outcome::Pass,
            because: "every device should".to_owned(),
        })
    }
}

#[test]
fn the_first_entry_that_fits_is_taken_and_a_check_without_one_passes() {
    let expectations = Expectations::read(
        "[[expectation]]\ncheck = \"a\"\nchip = \"h13*\"\nos = \"25*\"\noutcome = \"fail\"\nbecause = \"x\"\n\
         [[expectation]]\ncheck = \"a\"\nchip = \"*\"\nos = \"*\"\noutcome = \"pass\"\nbecause = \"y\"\n",
    );
    let outcome = |check, chip, os| expectations.find(check, chip, os).outcome;
    assert_eq!(outcome("a", "h13g", "25E246"), Outcome::Fail);
    assert_eq!(outcome("a", "h13g", "24A1"), Outcome::Pass);
    assert_eq!(outcome("a", "h16", "25E246"), Outcome::Pass);
    assert_eq!(outcome("b", "h13g", "25E246"), Outcome::Pass);
}
