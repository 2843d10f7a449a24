//! `tokenizer.json`, and the names of its marks from the `tokenizer_config.json` beside it.

use std::path::Path;

use serde_json::Value;

use crate::Result;
use crate::files::read_limited;

/// Largest `tokenizer_config.json` that is read, in bytes.
const CONFIG_LIMIT: u64 = 16 << 20;

/// Parses a `tokenizer.json`.
///
/// The backend trusts a few fields of a file that parses, and would fail later in the middle of its work; those are
/// checked here first.
pub(super) fn parse(bytes: &[u8]) -> Result<tokenizers::Tokenizer, String> {
    let json: Value = serde_json::from_slice(bytes).map_err(|error| format!("not valid JSON: {error}"))?;
    let model = json.get("model").ok_or("has no \"model\": not a tokenizer.json")?;
    if model.get("dropout").and_then(Value::as_f64).is_some_and(|dropout| dropout > 0.0) {
        return Err("BPE dropout makes its encoding random: set \"dropout\" to null".into());
    }
    check_prefix(model)?;
    check_added(&json)?;
    json.get("normalizer").map_or(Ok(()), check_normalizer)?;
    json.get("decoder").map_or(Ok(()), check_decoder)?;
    tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| error.to_string().replace('\n', " "))
}

/// The right half of a merge must begin with the continuing-subword prefix, which the backend cuts off unseen.
fn check_prefix(model: &Value) -> Result<(), String> {
    let Some(prefix) =
        model.get("continuing_subword_prefix").and_then(Value::as_str).filter(|p| !p.is_empty())
    else {
        return Ok(());
    };
    for (rank, merge) in model.get("merges").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let right = match merge {
            Value::String(pair) => pair.split(' ').nth(1),
            pair => pair.get(1).and_then(Value::as_str),
        };
        if right.is_some_and(|right| !right.starts_with(prefix)) {
            return Err(format!("merge {rank} lacks the continuing-subword prefix {prefix:?}"));
        }
    }
    Ok(())
}

/// Ids of added tokens near the end of u32 overflow in the backend.
fn check_added(json: &Value) -> Result<(), String> {
    for (index, token) in json.get("added_tokens").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        if token.get("id").and_then(Value::as_u64).is_some_and(|id| id > i32::MAX as u64) {
            return Err(format!("added token {index} has an id out of any sensible range"));
        }
    }
    Ok(())
}

/// A precompiled character map is a binary trie that the backend walks without bounds, and replacing the empty
/// string shifts its alignments past their end.
fn check_normalizer(normalizer: &Value) -> Result<(), String> {
    if normalizer.get("type").and_then(Value::as_str) == Some("Precompiled") {
        return Err("a normalizer with a precompiled character map is not supported".into());
    }
    let pattern =
        normalizer.get("pattern").and_then(|pattern| pattern.get("String").or(pattern.get("Regex")));
    if pattern.and_then(Value::as_str) == Some("") {
        return Err("a normalizer that replaces the empty string is not supported".into());
    }
    let parts = normalizer.get("normalizers").and_then(Value::as_array);
    parts.into_iter().flatten().try_for_each(check_normalizer)
}

/// Stripping from the end of a token shorter than the count underflows in the backend.
fn check_decoder(decoder: &Value) -> Result<(), String> {
    if decoder.get("type").and_then(Value::as_str) == Some("Strip")
        && decoder.get("stop").and_then(Value::as_u64).is_some_and(|stop| stop > 0)
    {
        return Err("a decoder that strips from the end of tokens is not supported".into());
    }
    decoder.get("decoders").and_then(Value::as_array).into_iter().flatten().try_for_each(check_decoder)
}

/// Names of the begin and end tokens in the `tokenizer_config.json` beside `path`; `None` for each it does not name.
pub(super) fn marks_beside(path: &Path) -> Result<(Option<String>, Option<String>)> {
    let config = path.with_file_name("tokenizer_config.json");
    if !config.is_file() {
        return Ok((None, None));
    }
    let bytes = read_limited(&config, CONFIG_LIMIT)?;
    let json: Value = serde_json::from_slice(&bytes)
        .map_err(|error| crate::Error::tokenizer(&config, format!("not valid JSON: {error}")))?;
    // Written as a string, or as an added token with its text in `content`.
    let name = |key: &str| {
        let value = json.get(key)?;
        value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
    };
    Ok((name("bos_token"), name("eos_token")))
}
