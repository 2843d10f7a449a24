//! The little language in which plots are written.
//!
//! | Form | Becomes |
//! |---|---|
//! | `{name}` | the cast's value of that name |
//! | `{a name}` | the same with `a` or `an` before it |
//! | `{^name}`, `{^a name}` | the same with a capital first letter |
//! | `[one\|two\|three]` | one of the forms, by chance; forms may contain all of this, and may be empty |
//! | `%` | the end of a paragraph |
//!
//! Templates are constants of this crate; a mistake in one gives text with braces in it, which a test looks for.

use super::Dice;
use super::cast::Cast;

/// Writes `template` to `out`.
pub(super) fn expand(template: &str, cast: &Cast, dice: &mut Dice, out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find(['{', '[', '%']) {
        out.push_str(&rest[..at]);
        let opened = &rest[at + 1..];
        match rest.as_bytes()[at] {
            b'%' => {
                let kept = out.trim_end().len();
                out.truncate(kept);
                out.push('\n');
                rest = opened.trim_start();
            }
            b'{' => {
                let end = opened.find('}').unwrap_or(opened.len());
                slot(&opened[..end], cast, out);
                rest = opened.get(end + 1..).unwrap_or_default();
            }
            _ => {
                let (forms, after) = alternatives(opened);
                let form = *dice.pick(&forms);
                expand(form, cast, dice, out);
                rest = after;
            }
        }
    }
    out.push_str(rest);
}

fn slot(name: &str, cast: &Cast, out: &mut String) {
    let (capital, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
    let (article, name) = name.strip_prefix("a ").map_or((false, name), |name| (true, name));
    let Some(value) = cast.get(name) else {
        out.push('{');
        out.push_str(name);
        out.push('}');
        return;
    };
    let start = out.len();
    if article {
        out.push_str(if value.starts_with(['a', 'e', 'i', 'o', 'u']) { "an " } else { "a " });
    }
    out.push_str(value);
    if capital && let Some(first) = out[start..].chars().next() {
        let upper: String = first.to_uppercase().collect();
        out.replace_range(start..start + first.len_utf8(), &upper);
    }
}

/// The forms of a choice whose bracket has just been opened, and what follows its closing bracket.
fn alternatives(text: &str) -> (Vec<&str>, &str) {
    let (mut depth, mut start, mut forms) = (0, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth > 0 => depth -= 1,
            b']' => {
                forms.push(&text[start..at]);
                return (forms, &text[at + 1..]);
            }
            b'|' if depth == 0 => {
                forms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    forms.push(&text[start..]);
    (forms, "")
}
