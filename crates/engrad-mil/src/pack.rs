//! Packing: inputs of equal channel count merged into one port along the width axis.
//!
//! The Neural Engine takes several inputs, but reports differ on how their sizes and order must relate (ane-facts
//! 4.5). One input tensor `[1, C, 1, W₁ + W₂ + …]` that the program slices is the form every chip accepted. Both
//! forms come from one program: [`pack`] rewrites it and says where each original input went, and that
//! [`Packing`] is all that staging code reads.

use std::collections::HashMap;

use crate::{Builder, Definition, Function, MilError, TensorType, ValueId};

/// How a stage takes its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputLayout {
    /// Every input is a port of its own.
    #[default]
    Ports,
    /// Inputs `[1, C, 1, W]` with equal C and element type share one port, side by side along the width axis.
    Packed,
}

/// Where an original input lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Name of the original input.
    pub input: String,
    /// Position of its port among the packed function's inputs.
    pub port: usize,
    /// First element along the port's width.
    pub offset: usize,
    /// Its own type.
    pub ty: TensorType,
}

/// Where every original input of a packed function lies, in original order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    /// One entry for each original input.
    pub placements: Vec<Placement>,
}

impl Packing {
    /// The placement of an original input.
    pub fn find(&self, input: &str) -> Option<&Placement> {
        self.placements.iter().find(|p| p.input == input)
    }
}

/// Rewrites a function's inputs to a layout. With [`InputLayout::Ports`] the function is returned as it is.
///
/// # Errors
/// Those of the builder; a function that passes verification gives none.
pub fn pack(function: &Function, layout: InputLayout) -> Result<(Function, Packing), MilError> {
    let groups = match layout {
        InputLayout::Ports => function.inputs.iter().map(|&id| vec![id]).collect(),
        InputLayout::Packed => group_by_channels(function),
    };
    let mut builder = Builder::new(&function.name);
    // Packed ports are named first, so that no original name is taken when it is given to its slice.
    for value in &function.values {
        builder.reserve(&value.name);
    }
    let mut renumbered: HashMap<ValueId, ValueId> = HashMap::new();
    let mut placements = HashMap::new();
    let ports: Vec<ValueId> = groups.iter().map(|group| add_port(&mut builder, function, group)).collect();
    for (port, (group, &packed)) in groups.iter().zip(&ports).enumerate() {
        let mut offset = 0;
        for &input in group {
            let (value, ty) = (function.value(input), function.ty(input));
            let own = if group.len() == 1 {
                packed
            } else {
                let width = ty.shape[3];
                builder.slice_axis(&value.name, packed, 3, offset, width)?
            };
            builder.rename_reserved(own, &value.name);
            renumbered.insert(input, own);
            placements.insert(input, Placement { input: value.name.clone(), port, offset, ty: ty.clone() });
            offset += ty.shape.last().copied().unwrap_or(1);
        }
    }
    for op in &function.ops {
        let Some(name) = op.results.first().map(|&result| &function.value(result).name) else {
            continue;
        };
        let arguments = op.arguments.iter().map(|(name, a)| (name.clone(), a.map(|id| renumbered[&id])));
        let results = match op.constant() {
            Some(constant) => vec![builder.constant(name, constant.clone())],
            None => builder.operation(op.op, name, arguments.collect())?,
        };
        for (&old, new) in op.results.iter().zip(results) {
            builder.rename_reserved(new, &function.value(old).name);
            renumbered.insert(old, new);
        }
    }
    let outputs: Vec<ValueId> = function.outputs.iter().map(|id| renumbered[id]).collect();
    let packed = builder.finish(&outputs)?;
    let placements = function.inputs.iter().filter_map(|id| placements.remove(id)).collect();
    Ok((packed, Packing { placements }))
}

fn add_port(builder: &mut Builder, function: &Function, group: &[ValueId]) -> ValueId {
    let (name, first) = (&function.value(group[0]).name, function.ty(group[0]));
    if group.len() == 1 {
        return builder.input(name, first.clone());
    }
    let width = group.iter().map(|&id| function.ty(id).shape[3]).sum();
    let channels = first.shape[1];
    builder.input(&format!("packed_{channels}"), TensorType::channels(first.dtype, channels, width))
}

/// Inputs in groups of equal `[1, C, 1, ·]` and element type, groups and members in order of first appearance.
fn group_by_channels(function: &Function) -> Vec<Vec<ValueId>> {
    let mut groups: Vec<Vec<ValueId>> = Vec::new();
    for &id in &function.inputs {
        debug_assert!(matches!(function.value(id).definition, Definition::Input(_)));
        let ty = function.ty(id);
        let packable = |ty: &TensorType| matches!(ty.shape[..], [1, _, 1, _]);
        let fits = |group: &&mut Vec<ValueId>| {
            let other = function.ty(group[0]);
            packable(ty) && packable(other) && other.dtype == ty.dtype && other.shape[1] == ty.shape[1]
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(id),
            None => groups.push(vec![id]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn example() -> Function {
        let mut b = Builder::new("main");
        let x = b.input("x", TensorType::channels(DType::Fp16, 4, 3));
        let other = b.input("other", TensorType::channels(DType::Fp16, 2, 3));
        let w = b.input("w", TensorType::channels(DType::Fp16, 4, 3));
        let sum = b.add("sum", x, w).unwrap();
        let slice = b.slice_axis("slice", sum, 1, 0, 2).unwrap();
        let y = b.mul("y", slice, other).unwrap();
        b.finish(&[y]).unwrap()
    }

    #[test]
    fn inputs_of_equal_channels_share_a_port() {
        let (packed, packing) = pack(&example(), InputLayout::Packed).unwrap();
        let shapes: Vec<_> = packed.inputs().iter().map(|&id| packed.ty(id).shape.clone()).collect();
        assert_eq!(shapes, [vec![1, 4, 1, 6], vec![1, 2, 1, 3]]);
        let places: Vec<_> =
            packing.placements.iter().map(|p| (p.input.as_str(), p.port, p.offset)).collect();
        assert_eq!(places, [("x", 0, 0), ("other", 1, 0), ("w", 0, 3)]);
    }

    #[test]
    fn own_ports_leave_the_function_as_it_was() {
        let function = example();
        let (same, packing) = pack(&function, InputLayout::Ports).unwrap();
        assert_eq!(same, function);
        assert!(packing.placements.iter().all(|p| p.offset == 0));
    }
}
