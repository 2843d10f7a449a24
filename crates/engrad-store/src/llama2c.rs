//! llama2.c `.bin` files: the legacy layout (version 0) read and written, version 1 read; both f32.
//!
//! Legacy: seven i32 (dim, hidden, layers, heads, kv_heads, vocab, sequence; a negative vocab says that the head is
//! separate), then tensors without names, then cosines and sines `[sequence, head_dim/2]`, then the separate head.
//! Version 1: `ak42`, the version, the same seven numbers, one byte for a shared head, zeros up to byte 256, then
//! tensors in another order and no rotary tables. Version 2 is quantized and refused.
//!
//! The format fixes head_dim = dim / heads, rotary base 10,000 and epsilon 1e-5, and rotates neighbouring components
//! `(2i, 2i+1)` where this project rotates `(i, i + head_dim/2)`: query and key rows are permuted on the way.

use std::path::Path;

use engrad_model::{ModelConfig, ModelError, Parameter, ParameterRole, ResidualScale, RotaryScaling};

use crate::{
    Model, ModelView, StoreError,
    files::{Source, replace_file, zeros},
};

const MAGIC: i32 = 0x616b_3432;
const NORM_EPS: f64 = 1e-5;
const ROPE_BASE: f64 = 10_000.0;
const V1_HEADER: u64 = 256;

/// What follows the header: the parameters whose name ends so, over all layers, or the rotary tables.
const V0_ORDER: &[Part] = &[
    Part::Tensors("embed_tokens.weight"),
    Part::Tensors("input_layernorm.weight"),
    Part::Tensors("q_proj.weight"),
    Part::Tensors("k_proj.weight"),
    Part::Tensors("v_proj.weight"),
    Part::Tensors("o_proj.weight"),
    Part::Tensors("post_attention_layernorm.weight"),
    Part::Tensors("gate_proj.weight"),
    Part::Tensors("down_proj.weight"),
    Part::Tensors("up_proj.weight"),
    Part::Tensors("model.norm.weight"),
    Part::RotaryTables,
    Part::Tensors("lm_head.weight"),
];
const V1_ORDER: &[Part] = &[
    Part::Tensors("input_layernorm.weight"),
    Part::Tensors("post_attention_layernorm.weight"),
    Part::Tensors("model.norm.weight"),
    Part::Tensors("embed_tokens.weight"),
    Part::Tensors("q_proj.weight"),
    Part::Tensors("k_proj.weight"),
    Part::Tensors("v_proj.weight"),
    Part::Tensors("o_proj.weight"),
    Part::Tensors("gate_proj.weight"),
    Part::Tensors("down_proj.weight"),
    Part::Tensors("up_proj.weight"),
    Part::Tensors("lm_head.weight"),
];

#[derive(Clone, Copy)]
enum Part {
    Tensors(&'static str),
    RotaryTables,
}

/// [`Part`] resolved: a position in the parameter table, or a number of floats that are not parameters.
enum Section {
    Parameter(usize),
    RotaryTables(u64),
}

fn sections(config: &ModelConfig, parameters: &[Parameter], order: &[Part]) -> Vec<Section> {
    let mut all = Vec::with_capacity(parameters.len() + 1);
    for part in order {
        match *part {
            Part::RotaryTables => {
                let floats = config.sequence as u64 * config.head_dim as u64;
                all.push(Section::RotaryTables(floats));
            }
            Part::Tensors(suffix) => all.extend(
                (0..parameters.len())
                    .filter(|&i| parameters[i].name.ends_with(suffix))
                    .map(Section::Parameter),
            ),
        }
    }
    all
}

pub(crate) fn load(path: &Path) -> Result<Model, StoreError> {
    let mut source = Source::open(path)?;
    let (config, header, order) = read_header(&mut source)?;
    let parameters = config.parameters();
    let sections = sections(&config, &parameters, order);
    let floats: u64 = sections
        .iter()
        .map(|section| match *section {
            Section::Parameter(i) => parameters[i].len() as u64,
            Section::RotaryTables(n) => n,
        })
        .sum();
    let expected = header + 4 * floats;
    if source.len() != expected {
        return Err(StoreError::Length {
            path: path.to_owned(),
            what: "the model of the llama2.c header",
            expected,
            found: source.len(),
        });
    }
    let mut tensors = vec![Vec::new(); parameters.len()];
    let mut offset = header;
    for section in sections {
        match section {
            Section::RotaryTables(n) => offset += 4 * n,
            Section::Parameter(i) => {
                let mut values = zeros(parameters[i].len(), path)?;
                source.read_at(offset, bytemuck::cast_slice_mut(&mut values))?;
                offset += 4 * values.len() as u64;
                if is_rotated(parameters[i].role) {
                    half_split_rows(&mut values, config.dim, config.head_dim);
                }
                tensors[i] = values;
            }
        }
    }
    Ok(Model { config, tensors })
}

fn read_header(source: &mut Source) -> Result<(ModelConfig, u64, &'static [Part]), StoreError> {
    let path = source.path().to_owned();
    let mut first = [0; 28];
    if source.len() < 28 {
        return Err(StoreError::Length {
            path,
            what: "a llama2.c header",
            expected: 28,
            found: source.len(),
        });
    }
    source.read_at(0, &mut first)?;
    let word = |bytes: &[u8], n: usize| {
        let mut word = [0; 4];
        word.copy_from_slice(&bytes[4 * n..4 * n + 4]);
        i32::from_le_bytes(word)
    };
    if word(&first, 0) != MAGIC {
        let mut numbers: [i32; 7] = std::array::from_fn(|n| word(&first, n));
        let tied = numbers[5] > 0;
        numbers[5] = numbers[5].saturating_abs();
        return Ok((describe(numbers, tied, &path)?, 28, V0_ORDER));
    }
    let version = word(&first, 1);
    if version != 1 {
        return Err(StoreError::Version {
            path,
            found: u64::from(version.unsigned_abs()),
            supported: "llama2.c versions 0 and 1 (f32)",
        });
    }
    if source.len() < V1_HEADER {
        return Err(StoreError::Length {
            path,
            what: "a llama2.c version 1 header",
            expected: V1_HEADER,
            found: source.len(),
        });
    }
    let mut whole = [0; 37];
    source.read_at(0, &mut whole)?;
    let numbers = std::array::from_fn(|n| word(&whole, n + 2));
    Ok((describe(numbers, whole[36] != 0, &path)?, V1_HEADER, V1_ORDER))
}

fn describe(numbers: [i32; 7], tied: bool, path: &Path) -> Result<ModelConfig, StoreError> {
    let refuse = |source| StoreError::Config { path: path.to_owned(), source };
    // A negative number becomes 0, which the description refuses by the field's name.
    let [dim, hidden, layers, heads, kv_heads, vocab, sequence] =
        numbers.map(|n| usize::try_from(n).unwrap_or(0));
    if heads == 0 || !dim.is_multiple_of(heads) || kv_heads == 0 {
        return Err(refuse(ModelError::Invalid {
            field: "heads",
            reason: format!("llama2.c header with dim {dim}, {heads} heads and {kv_heads} key/value heads"),
        }));
    }
    let config = ModelConfig {
        dim,
        hidden,
        layers,
        heads,
        kv_heads,
        head_dim: dim / heads,
        vocab,
        sequence,
        norm_eps: NORM_EPS,
        rope_base: ROPE_BASE,
        rope_scaling: RotaryScaling::Default,
        qk_norm: false,
        tied,
        residual_scale: ResidualScale::None,
    };
    config.validate().map_err(refuse)?;
    Ok(config)
}

/// Writes a legacy (version 0) llama2.c file, beside and renamed.
///
/// # Errors
/// [`StoreError::Inexpressible`] when the format cannot say what the model computes: QK-norm, another rotary base or
/// scaling or epsilon, heads × head_dim ≠ dim, residual scaling; [`StoreError::TensorLength`]; [`StoreError::Io`].
pub fn export_llama2c(model: &ModelView<'_>, path: &Path) -> Result<(), StoreError> {
    let config = model.config;
    check_expressible(config)?;
    let parameters = model.checked()?;
    let numbers = [
        config.dim,
        config.hidden,
        config.layers,
        config.heads,
        config.kv_heads,
        config.vocab,
        config.sequence,
    ];
    let mut header = Vec::with_capacity(28);
    for (n, &number) in numbers.iter().enumerate() {
        let number = i32::try_from(number).map_err(|_| inexpressible(format!("a size of {number}")))?;
        let signed = if n == 5 && !config.tied { -number } else { number };
        header.extend(signed.to_le_bytes());
    }
    replace_file(path, |out| {
        out.write(&header)?;
        for section in sections(config, &parameters, V0_ORDER) {
            match section {
                Section::RotaryTables(_) => {
                    let tables = config.rotary_tables(config.sequence);
                    for table in [tables.cos, tables.sin] {
                        out.write_f32(&by_position(&table, config.sequence))?;
                    }
                }
                Section::Parameter(i) if is_rotated(parameters[i].role) => {
                    for row in interleaved_rows(model.tensors[i], config.dim, config.head_dim) {
                        out.write_f32(row)?;
                    }
                }
                Section::Parameter(i) => out.write_f32(model.tensors[i])?,
            }
        }
        Ok(())
    })
}

fn inexpressible(reason: String) -> StoreError {
    StoreError::Inexpressible { format: "llama2.c", reason }
}

fn check_expressible(config: &ModelConfig) -> Result<(), StoreError> {
    let in_the_way = [
        (config.qk_norm, "it normalises queries and keys (qk_norm)".to_owned()),
        (
            config.rope_base != ROPE_BASE,
            format!("its rotary base is {}, the format's is {ROPE_BASE}", config.rope_base),
        ),
        (config.rope_scaling != RotaryScaling::Default, "it scales rotary frequencies".to_owned()),
        (
            config.norm_eps != NORM_EPS,
            format!("its norm_eps is {}, the format's is {NORM_EPS}", config.norm_eps),
        ),
        (
            config.query_dim() != config.dim,
            format!("heads × head_dim is {}, not dim = {}", config.query_dim(), config.dim),
        ),
        (config.residual_scale != ResidualScale::None, "it scales the residual stream".to_owned()),
    ];
    match in_the_way.into_iter().find(|(true_of_it, _)| *true_of_it) {
        Some((_, reason)) => Err(inexpressible(reason)),
        None => Ok(()),
    }
}

fn is_rotated(role: ParameterRole) -> bool {
    matches!(role, ParameterRole::Query | ParameterRole::Key)
}

/// Within each head, rows `(2i, 2i+1)` become rows `(i, i + head_dim/2)`.
fn half_split_rows(values: &mut [f32], width: usize, head_dim: usize) {
    let half = head_dim / 2;
    for head in values.chunks_exact_mut(head_dim * width) {
        let neighbours = head.to_vec();
        for (row, from) in neighbours.chunks_exact(width).enumerate() {
            let to = row / 2 + half * (row % 2);
            head[to * width..][..width].copy_from_slice(from);
        }
    }
}

/// The rows of a half-split projection in the order that undoes [`half_split_rows`].
fn interleaved_rows(values: &[f32], width: usize, head_dim: usize) -> impl Iterator<Item = &[f32]> {
    let half = head_dim / 2;
    values.chunks_exact(head_dim * width).flat_map(move |head| {
        (0..head_dim).map(move |row| &head[(row / 2 + half * (row % 2)) * width..][..width])
    })
}

/// `[pair, position]` to `[position, pair]`.
fn by_position(table: &[f32], sequence: usize) -> Vec<f32> {
    (0..sequence).flat_map(|position| table.iter().skip(position).step_by(sequence).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_head_of_four_are_paired_with_the_half_head_away() {
        // Two heads of four rows of width one.
        let mut values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        half_split_rows(&mut values, 1, 4);
        assert_eq!(values, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
        let back: Vec<f32> = interleaved_rows(&values, 1, 4).flatten().copied().collect();
        assert_eq!(back, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn rotary_tables_are_turned_to_one_row_per_position() {
        assert_eq!(by_position(&[1.0, 2.0, 3.0, 10.0, 20.0, 30.0], 3), [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
    }
}
