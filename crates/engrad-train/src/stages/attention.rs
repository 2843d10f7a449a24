use engrad_mil::{Constant, MilError, ValueId};
use engrad_model::{ModelConfig, ParameterRole};

use super::{Draft, Drafting, StageOptions};

/// Added to scores of future positions. Finite, so that no infinity enters the elementwise path, and large enough
/// that e^x is zero at every precision.
const MASKED: f32 = -30_000.0;

/// Query, key and value projections, optional head norms, rotary positions, causal attention, output projection.
///
/// Grouped attention does not copy keys and values: the query heads of a group (consecutive ones share a key/value
/// head) are laid side by side as further columns of one product with that head.
pub(super) fn draft(config: &ModelConfig, options: &StageOptions) -> Result<Draft, MilError> {
    let (dim, query_dim, kv_dim) = (config.dim, config.query_dim(), config.kv_dim());
    let (heads, kv_heads, head_dim) = (config.heads, config.kv_heads, config.head_dim);
    let (group, batch, positions) = (config.group(), options.batch, options.sequence);

    let mut d = Drafting::new(config, options);
    let x = d.input();
    let wq = d.weight("wq", ParameterRole::Query, query_dim, dim);
    let wk = d.weight("wk", ParameterRole::Key, kv_dim, dim);
    let wv = d.weight("wv", ParameterRole::Value, kv_dim, dim);
    let wo = d.weight("wo", ParameterRole::AttentionOutput, dim, query_dim);
    let norms = config.qk_norm.then(|| {
        (d.head_norm_weight("q_norm", false, head_dim), d.head_norm_weight("k_norm", true, head_dim))
    });

    let query = d.project("q", &wq, x)?;
    let key = d.project("k", &wk, x)?;
    let value = d.project("v", &wv, x)?;

    let mut query = split_heads(&mut d, "q", query, heads, config)?;
    let mut key = split_heads(&mut d, "k", key, kv_heads, config)?;
    let value = split_heads(&mut d, "v", value, kv_heads, config)?;
    if let Some((query_norm, key_norm)) = norms {
        query = head_norm(&mut d, "q", query, query_norm, config)?;
        key = head_norm(&mut d, "k", key, key_norm, config)?;
    }
    // Queries are turned by tables that scale them too: it costs nothing, and keeps the scores small.
    let mut query = rotate(&mut d, "q", query, 1.0 / (head_dim as f32).sqrt(), config)?;
    let key = rotate(&mut d, "k", key, 1.0, config)?;

    let b = &mut d.builder;
    if group > 1 {
        query = b.reshape("q_groups", query, &[batch * kv_heads, group, head_dim, positions])?;
        query = b.transpose("q_side_by_side", query, &[0, 2, 1, 3])?;
        query = b.reshape("q_columns", query, &[batch, kv_heads, head_dim, group * positions])?;
    }
    let scores = b.matmul("scores", (query, true), (key, false))?;
    let scores = b.reshape("scores_heads", scores, &[batch, heads, positions, positions])?;
    let mask: Vec<f32> = (0..positions)
        .flat_map(|at| (0..positions).map(move |past| if past <= at { 0.0 } else { MASKED }))
        .collect();
    let mask = Constant::floats(options.dtype, [1, 1, positions, positions], &mask)?;
    let mask = b.constant("causal_mask", mask);
    let masked = b.add("scores_masked", scores, mask)?;
    let weights = b.softmax("attention_weights", masked, -1)?;
    let weights = b.reshape("weights_groups", weights, &[batch, kv_heads, group * positions, positions])?;
    let mut mixed = b.matmul("mixed", (value, false), (weights, true))?;
    if group > 1 {
        mixed = b.reshape("mixed_columns", mixed, &[batch * kv_heads, head_dim, group, positions])?;
        mixed = b.transpose("mixed_groups", mixed, &[0, 2, 1, 3])?;
    }
    let mixed = join_heads(&mut d, mixed, config)?;
    let y = d.project("y", &wo, mixed)?;
    // Saved as late as they can be, so that nothing is turned twice; norms of heads need what they were made of.
    match norms {
        None => d.finish(y, &["q_rotated", "k_rotated", "v", "attended"]),
        Some(_) => d.finish(y, &["q", "k", "v", "attended"]),
    }
}

/// `[1, heads · head_dim, 1, batch · positions]` → `[batch, heads, head_dim, positions]`. A single sequence needs no
/// transposition.
fn split_heads(
    d: &mut Drafting<'_>,
    name: &str,
    x: ValueId,
    heads: usize,
    config: &ModelConfig,
) -> Result<ValueId, MilError> {
    let (batch, positions) = (d.options.batch, d.options.sequence);
    let (features, b) = (heads * config.head_dim, &mut d.builder);
    let mut x = x;
    if batch > 1 {
        x = b.reshape(&format!("{name}_sequences"), x, &[1, features, batch, positions])?;
        x = b.transpose(&format!("{name}_by_sequence"), x, &[0, 2, 1, 3])?;
    }
    b.reshape(&format!("{name}_heads"), x, &[batch, heads, config.head_dim, positions])
}

/// The way back, for the mixed values of all heads.
fn join_heads(d: &mut Drafting<'_>, x: ValueId, config: &ModelConfig) -> Result<ValueId, MilError> {
    let (batch, positions) = (d.options.batch, d.options.sequence);
    let (features, b) = (config.query_dim(), &mut d.builder);
    let mut x = x;
    if batch > 1 {
        x = b.reshape("mixed_by_sequence", x, &[1, batch, features, positions])?;
        x = b.transpose("mixed_sequences", x, &[0, 2, 1, 3])?;
    }
    b.reshape("attended", x, &[1, features, 1, batch * positions])
}

/// RMSNorm over the `head_dim` channels of each head and position, times a weight.
fn head_norm(
    d: &mut Drafting<'_>,
    name: &str,
    x: ValueId,
    weight: ValueId,
    config: &ModelConfig,
) -> Result<ValueId, MilError> {
    let b = &mut d.builder;
    let squared = b.square(&format!("{name}_squared"), x)?;
    let mean = b.reduce_mean(&format!("{name}_mean_square"), squared, &[2])?;
    let scale = b.rsqrt(&format!("{name}_norm_scale"), mean, config.norm_eps as f32)?;
    let normed = b.mul(&format!("{name}_normed"), x, scale)?;
    let weight = b.reshape(&format!("{name}_norm_weight"), weight, &[1, 1, config.head_dim, 1])?;
    b.mul(&format!("{name}_norm_scaled"), normed, weight)
}

/// The rotary tables times a number, `[1, 1, head_dim / 2, positions]`.
fn rotary_constants(
    d: &mut Drafting<'_>,
    name: &str,
    scale: f32,
    config: &ModelConfig,
) -> Result<(ValueId, ValueId), MilError> {
    let (positions, dtype) = (d.options.sequence, d.options.dtype);
    let tables = config.rotary_tables(positions);
    let mut constant = |name: String, table: &[f32]| -> Result<ValueId, MilError> {
        let scaled: Vec<f32> = table.iter().map(|value| value * scale).collect();
        let values = Constant::floats(dtype, [1, 1, config.head_dim / 2, positions], &scaled)?;
        Ok(d.builder.constant(&name, values))
    };
    Ok((constant(format!("{name}_cos"), &tables.cos)?, constant(format!("{name}_sin"), &tables.sin)?))
}

/// (a, b) → scale · (a·cos − b·sin, b·cos + a·sin), where a and b are the halves of each head. The halves are cut along
/// the height axis: cutting along the width saturates on early chips (ane-facts C64) and is refused on some (C43).
fn rotate(
    d: &mut Drafting<'_>,
    name: &str,
    x: ValueId,
    scale: f32,
    config: &ModelConfig,
) -> Result<ValueId, MilError> {
    let (cos, sin) = rotary_constants(d, name, scale, config)?;
    let (half, b) = (config.head_dim / 2, &mut d.builder);
    let first = b.slice_axis(&format!("{name}_first"), x, 2, 0, half)?;
    let second = b.slice_axis(&format!("{name}_second"), x, 2, half, half)?;
    let first_cos = b.mul(&format!("{name}_first_cos"), first, cos)?;
    let second_sin = b.mul(&format!("{name}_second_sin"), second, sin)?;
    let rotated_first = b.sub(&format!("{name}_rotated_first"), first_cos, second_sin)?;
    let second_cos = b.mul(&format!("{name}_second_cos"), second, cos)?;
    let first_sin = b.mul(&format!("{name}_first_sin"), first, sin)?;
    let rotated_second = b.add(&format!("{name}_rotated_second"), second_cos, first_sin)?;
    b.concat(&format!("{name}_rotated"), &[rotated_first, rotated_second], 2)
}
