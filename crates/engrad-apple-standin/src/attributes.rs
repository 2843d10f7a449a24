//! `modelAttributes` of a loaded model (ane-facts 1.5).

use engrad_mil::DType;

use crate::control;
use crate::foundation::{array, dictionary, number, string};
use crate::object::{Id, Ref};
use crate::program::{Compiled, Symbol};

pub(crate) fn of(program: &Compiled) -> Id {
    if control::fault("attributes-empty") {
        return dictionary(Vec::new());
    }
    let list = |symbols: &[Symbol], suffix: &str| -> Id {
        array(symbols.iter().map(|s| Ref::adopt(entry(s, suffix))).collect())
    };
    let names = |symbols: &[Symbol], suffix: &str| -> Id {
        array(symbols.iter().map(|s| Ref::adopt(string(&format!("{}{suffix}", s.port.name)))).collect())
    };
    let indices = |symbols: &[Symbol]| -> Id {
        array((0..symbols.len() as u64).map(|i| Ref::adopt(number(i))).collect())
    };
    let mut inputs = program.inputs.clone();
    if control::fault("attributes-missing-symbol") {
        inputs.pop();
    }
    let input_list = if control::fault("attributes-not-a-list") { string("none") } else { list(&inputs, "") };
    let status = dictionary(vec![
        ("LiveInputList", input_list),
        ("LiveOutputList", list(&program.outputs, "@output")),
    ]);
    let procedure = dictionary(vec![
        ("ANEFModelInputSymbolIndexArray", indices(&program.inputs)),
        ("ANEFModelOutputSymbolIndexArray", indices(&program.outputs)),
        ("ANEFModelProcedureID", number(0)),
    ]);
    let description = dictionary(vec![
        ("kANEFModelInputSymbolsArrayKey", names(&program.inputs, "")),
        ("kANEFModelOutputSymbolsArrayKey", names(&program.outputs, "@output")),
        ("ANEFModelProcedures", array(vec![Ref::adopt(procedure)])),
        ("kANEFModelProcedureNameToIDMapKey", dictionary(vec![("main", number(0))])),
    ]);
    dictionary(vec![
        ("ANEFModelDescription", description),
        ("NetworkStatusList", array(vec![Ref::adopt(status)])),
    ])
}

fn entry(symbol: &Symbol, suffix: &str) -> Id {
    let port = &symbol.port;
    let mut extents = [1usize; 4];
    let rank = port.ty.shape.len().min(4);
    let (outer, inner) = port.ty.shape.split_at(port.ty.shape.len() - rank);
    extents[4 - rank..].copy_from_slice(inner);
    extents[0] *= outer.iter().product::<usize>();
    let [batches, channels, height, width] = extents;
    let row = port.row_stride * if control::fault("attributes-wrong-stride") { 2 } else { 1 };
    let width = width + usize::from(control::fault("attributes-wrong-extent"));
    let plane = port.row_stride * height;
    let ty = match port.ty.dtype {
        _ if control::fault("attributes-wrong-type") => "Int8",
        DType::Fp16 => "Float16",
        DType::Fp32 => "Float32",
        DType::Int8 => "Int8",
        DType::UInt8 => "UInt8",
        _ => "Unknown",
    };
    let name = format!("{}{suffix}", port.name);
    let number = |n: usize| number(n as u64);
    dictionary(vec![
        ("Symbol", string(&name)),
        ("Name", string(&name)),
        ("Type", string(ty)),
        ("Batches", number(batches)),
        ("Channels", number(channels)),
        ("Depth", number(1)),
        ("Height", number(height)),
        ("Width", number(width)),
        ("Interleave", number(1)),
        ("PlaneCount", number(channels)),
        ("BatchStride", number(plane * channels)),
        ("DepthStride", number(plane * channels)),
        ("PlaneStride", number(plane)),
        ("RowStride", number(row)),
    ])
}
