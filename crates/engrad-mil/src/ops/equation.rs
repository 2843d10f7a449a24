//! The equations of `einsum`.

/// What an equation says: a letter for each dimension of each operand and of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EinsumEquation {
    /// Letters of each operand.
    pub operands: Vec<Vec<char>>,
    /// Letters of the result, each once.
    pub result: Vec<char>,
}

/// Stands for a dimension under an ellipsis, counted from the last.
fn under_ellipsis(from_last: usize) -> Option<char> {
    // Private-use characters: no letter of an equation.
    char::from_u32(0xE000 + u32::try_from(from_last).ok()?)
}

impl EinsumEquation {
    /// Reads an equation for operands of these ranks. Without `->`, the result has the letters that occur once, in
    /// alphabetical order, behind the dimensions of an ellipsis.
    ///
    /// # Errors
    /// If it is no equation, or one for other operands.
    pub fn parse(text: &str, ranks: &[usize]) -> Result<Self, String> {
        let quoted = || format!("`{}`", text.escape_debug());
        let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match bare.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (&bare[..], None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != ranks.len() {
            return Err(format!(
                "equation {} is for {} operands, not {}",
                quoted(),
                terms.len(),
                ranks.len()
            ));
        }
        let mut ellipsis = 0;
        let mut operands = Vec::with_capacity(terms.len());
        for (term, &rank) in terms.iter().zip(ranks) {
            let written = term.replacen("...", "", 1).chars().count();
            let open = if term.contains("...") { rank.checked_sub(written) } else { Some(0) };
            let open = open.filter(|open| open + written == rank);
            let open =
                open.ok_or_else(|| format!("`{term}` of equation {} is not of rank {rank}", quoted()))?;
            ellipsis = ellipsis.max(open);
            operands.push(Self::letters(term, open).ok_or_else(|| format!("{} is no equation", quoted()))?);
        }
        let result = match right {
            Some(term) => {
                let open = if term.contains("...") { ellipsis } else { 0 };
                Self::letters(term, open).ok_or_else(|| format!("{} is no equation", quoted()))?
            }
            None => Self::implied(&operands, ellipsis),
        };
        for (i, letter) in result.iter().enumerate() {
            if result[..i].contains(letter) || !operands.iter().any(|o| o.contains(letter)) {
                return Err(format!("the result of equation {} cannot have that `{letter}`", quoted()));
            }
        }
        Ok(Self { operands, result })
    }

    /// The letters of one term, `open` dimensions standing for its ellipsis.
    fn letters(term: &str, open: usize) -> Option<Vec<char>> {
        let (before, after) = term.split_once("...").unwrap_or((term, ""));
        if before.chars().chain(after.chars()).any(|c| !c.is_alphabetic()) {
            return None;
        }
        let middle: Option<Vec<char>> = (0..open).rev().map(under_ellipsis).collect();
        Some(before.chars().chain(middle?).chain(after.chars()).collect())
    }

    fn implied(operands: &[Vec<char>], ellipsis: usize) -> Vec<char> {
        let all = || operands.iter().flatten();
        let mut single: Vec<char> = all()
            .copied()
            .filter(|&c| c.is_alphabetic() && all().filter(|&&other| other == c).count() == 1)
            .collect();
        single.sort_unstable();
        (0..ellipsis).rev().filter_map(under_ellipsis).chain(single).collect()
    }
}
