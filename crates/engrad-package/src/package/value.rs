//! Types and values, both ways.

use engrad_mil::blob;
use engrad_mil::{Constant, ConstantData, DType, Dim, Literal, Payload, TensorType, Type};

use crate::proto::{self, DataType, DimensionKind, Elements, Immediate, TypeKind, ValueKind};

/// Deepest nesting of types and values: that of the text form, so that what is read can be printed and read again.
const MAX_DEPTH: usize = 32;
/// Most members of a tuple type, as in the text form.
const MAX_MEMBERS: usize = 256;

const DTYPES: [(DType, DataType); 22] = [
    (DType::Bool, DataType::Bool),
    (DType::Int4, DataType::Int4),
    (DType::UInt1, DataType::Uint1),
    (DType::UInt2, DataType::Uint2),
    (DType::UInt3, DataType::Uint3),
    (DType::UInt4, DataType::Uint4),
    (DType::UInt6, DataType::Uint6),
    (DType::Int8, DataType::Int8),
    (DType::UInt8, DataType::Uint8),
    (DType::Int16, DataType::Int16),
    (DType::UInt16, DataType::Uint16),
    (DType::Int32, DataType::Int32),
    (DType::UInt32, DataType::Uint32),
    (DType::Int64, DataType::Int64),
    (DType::UInt64, DataType::Uint64),
    (DType::Fp8E4M3, DataType::Float8E4M3),
    (DType::Fp8E5M2, DataType::Float8E5M2),
    (DType::Bf16, DataType::Bfloat16),
    (DType::Fp16, DataType::Float16),
    (DType::Fp32, DataType::Float32),
    (DType::Fp64, DataType::Float64),
    (DType::String, DataType::String),
];

fn dtype(code: i32) -> Result<DType, String> {
    let found = DTYPES.iter().find(|(_, data_type)| *data_type as i32 == code).map(|(dtype, _)| *dtype);
    found.ok_or_else(|| format!("element type {code} is not known"))
}

fn data_type(dtype: DType) -> i32 {
    DTYPES.iter().find(|(d, _)| *d == dtype).map_or(DataType::Unused, |(_, code)| *code) as i32
}

/// A type of the package.
pub(super) fn read_type(ty: &proto::ValueType) -> Result<Type, String> {
    nested_type(ty, 0)
}

fn nested_type(ty: &proto::ValueType, depth: usize) -> Result<Type, String> {
    if depth > MAX_DEPTH {
        return Err(format!("types are nested deeper than {MAX_DEPTH}"));
    }
    let inner = |ty: &Option<Box<proto::ValueType>>| match ty {
        Some(ty) => nested_type(ty, depth + 1).map(Box::new),
        None => Err("a type lacks the type of its parts".to_owned()),
    };
    Ok(match &ty.kind {
        None => return Err("a type of no known kind".to_owned()),
        Some(TypeKind::Tensor(ty)) => tensor_type(ty)?,
        Some(TypeKind::List(ty)) => {
            let length = ty.length.as_ref().ok_or_else(|| "a list type without length".to_owned())?;
            Type::List(inner(&ty.r#type)?, dim(length)?)
        }
        Some(TypeKind::Dictionary(ty)) => Type::Dict(inner(&ty.key_type)?, inner(&ty.value_type)?),
        Some(TypeKind::State(ty)) => Type::State(inner(&ty.wrapped_type)?),
        Some(TypeKind::Tuple(ty)) if ty.types.len() > MAX_MEMBERS => {
            return Err(format!("a tuple of more than {MAX_MEMBERS} members"));
        }
        Some(TypeKind::Tuple(ty)) => {
            Type::Tuple(ty.types.iter().map(|ty| nested_type(ty, depth + 1)).collect::<Result<_, _>>()?)
        }
    })
}

fn tensor_type(ty: &proto::TensorType) -> Result<Type, String> {
    let dtype = dtype(ty.data_type)?;
    if ty.rank < 0 || usize::try_from(ty.rank) != Ok(ty.dimensions.len()) {
        return Err(format!("a tensor of rank {} with {} extents", ty.rank, ty.dimensions.len()));
    }
    if let Some((name, _)) = ty.attributes.first_key_value() {
        return Err(format!("a tensor type has the attribute `{}`", name.escape_debug()));
    }
    let dims = ty.dimensions.iter().map(dim).collect::<Result<Vec<_>, _>>()?;
    let known: Vec<usize> = dims.iter().filter_map(Dim::fixed).collect();
    if dims.len() > engrad_mil::MAX_RANK || !TensorType::new(dtype, known).is_bounded() {
        return Err("a tensor has too many dimensions or elements".to_owned());
    }
    Ok(Type::tensor_of(dtype, dims))
}

fn dim(dimension: &proto::Dimension) -> Result<Dim, String> {
    match &dimension.kind {
        Some(DimensionKind::Constant(dimension)) => usize::try_from(dimension.size)
            .map(Dim::Fixed)
            .map_err(|_| format!("an extent of {}", dimension.size)),
        Some(DimensionKind::Unknown(dimension)) if !dimension.variadic => Ok(Dim::Any),
        Some(DimensionKind::Unknown(_)) => Err("a tensor of any rank; give it one".to_owned()),
        None => Err("an extent of no known kind".to_owned()),
    }
}

/// A type for the package.
pub(super) fn write_type(ty: &Type) -> Result<proto::ValueType, String> {
    let inner = |ty: &Type| write_type(ty).map(|ty| Some(Box::new(ty)));
    let kind = match ty {
        Type::Tensor(ty) => fixed_tensor(ty.dtype, &ty.shape),
        Type::Flexible(ty) => tensor(ty.dtype, ty.dims.iter().map(write_dim).collect()),
        Type::State(ty) => TypeKind::State(Box::new(proto::StateType { wrapped_type: inner(ty)? })),
        Type::List(item, length) => TypeKind::List(Box::new(proto::ListType {
            r#type: inner(item)?,
            length: Some(write_dim(length)),
        })),
        Type::Dict(key, value) => TypeKind::Dictionary(Box::new(proto::DictionaryType {
            key_type: inner(key)?,
            value_type: inner(value)?,
        })),
        Type::Tuple(types) => TypeKind::Tuple(proto::TupleType {
            types: types.iter().map(write_type).collect::<Result<_, _>>()?,
        }),
        Type::Buffer(_) => return Err(format!("packages have no type {ty}; use a tensor")),
    };
    Ok(proto::ValueType { kind: Some(kind) })
}

fn write_dim(dim: &Dim) -> proto::Dimension {
    let kind = match dim {
        Dim::Fixed(extent) => DimensionKind::Constant(proto::ConstantDimension { size: *extent as u64 }),
        Dim::Any | Dim::Symbol(_) => DimensionKind::Unknown(proto::UnknownDimension { variadic: false }),
    };
    proto::Dimension { kind: Some(kind) }
}

fn fixed_tensor(dtype: DType, shape: &[usize]) -> TypeKind {
    tensor(dtype, shape.iter().map(|&extent| write_dim(&Dim::Fixed(extent))).collect())
}

fn tensor(dtype: DType, dimensions: Vec<proto::Dimension>) -> TypeKind {
    TypeKind::Tensor(proto::TensorType {
        data_type: data_type(dtype),
        rank: dimensions.len() as i64,
        dimensions,
        attributes: Default::default(),
    })
}

/// A value of the package.
pub(super) fn read_value(value: proto::Value) -> Result<Literal, String> {
    let ty = read_type(value.r#type.as_ref().ok_or_else(|| "a value without type".to_owned())?)?;
    match ty {
        Type::Tensor(ty) => {
            let data = read_data(ty.dtype, ty.elements(), value.kind)?;
            Ok(Literal::Tensor(Constant { ty, data }))
        }
        Type::Flexible(_) => Err(format!("a value of type {ty}, whose extents are not known")),
        Type::State(_) | Type::Buffer(_) => Err(format!("a value of type {ty}")),
        Type::List(..) | Type::Dict(..) | Type::Tuple(_) => {
            let value = read_payload(&ty, value)?;
            Ok(Literal::Composite { ty, value })
        }
    }
}

/// Recursion is as deep as `ty`.
fn read_payload(ty: &Type, value: proto::Value) -> Result<Payload, String> {
    let immediate = match (ty, value.kind) {
        (Type::Tensor(_) | Type::Flexible(_), kind) => {
            let own = match &value.r#type {
                Some(own) => read_type(own)?,
                None => ty.clone(),
            };
            let Type::Tensor(own) = own else {
                return Err(format!("a value of type {own}, whose extents are not known"));
            };
            if Some(own.dtype) != ty.dtype() {
                return Err(format!("a value of type {own} among {ty}"));
            }
            let data = read_data(own.dtype, own.elements(), kind)?;
            return Ok(Payload::Elements { shape: own.shape, data });
        }
        (_, Some(ValueKind::Immediate(proto::ImmediateValue { value: Some(immediate) }))) => immediate,
        _ => return Err(format!("no value of type {ty}")),
    };
    match (ty, immediate) {
        (Type::List(item, length), Immediate::List(list)) => {
            if length.fixed().is_some_and(|length| length != list.values.len()) {
                return Err(format!("{} items of {ty}", list.values.len()));
            }
            list.values
                .into_iter()
                .map(|value| read_payload(item, value))
                .collect::<Result<_, _>>()
                .map(Payload::List)
        }
        (Type::Tuple(types), Immediate::Tuple(tuple)) if types.len() == tuple.values.len() => {
            let members = types.iter().zip(tuple.values).map(|(ty, value)| read_payload(ty, value));
            members.collect::<Result<_, _>>().map(Payload::Tuple)
        }
        (Type::Dict(key, value), Immediate::Dictionary(dictionary)) => {
            let pairs = dictionary.values.into_iter().map(|pair| match (pair.key, pair.value) {
                (Some(k), Some(v)) => Ok((read_payload(key, k)?, read_payload(value, v)?)),
                _ => Err(format!("a pair of {ty} is incomplete")),
            });
            pairs.collect::<Result<_, _>>().map(Payload::Dict)
        }
        _ => Err(format!("the value is not of its type {ty}")),
    }
}

fn read_data(dtype: DType, count: usize, kind: Option<ValueKind>) -> Result<ConstantData, String> {
    let elements = match kind {
        Some(ValueKind::BlobFile(blob)) if dtype == DType::String => {
            return Err(format!("texts in the weight file `{}`", blob.file_name.escape_debug()));
        }
        Some(ValueKind::BlobFile(blob)) => {
            return Ok(ConstantData::Blob { path: blob.file_name, offset: blob.offset });
        }
        Some(ValueKind::Immediate(proto::ImmediateValue { value: Some(Immediate::Tensor(tensor)) })) => {
            tensor.value
        }
        _ => return Err(format!("no elements of {dtype}")),
    };
    let data = match (dtype, elements) {
        (_, Some(Elements::Bytes(list))) if !matches!(dtype, DType::Bool | DType::String) => {
            blob::decode(dtype, count, &list.values).map_err(|error| error.to_string())?
        }
        (DType::Bool, Some(Elements::Bools(list))) => ConstantData::Bool(list.values),
        (DType::String, Some(Elements::Strings(list))) => ConstantData::String(list.values),
        (DType::Fp32, Some(Elements::Floats(list))) => ConstantData::Fp32(list.values),
        (DType::Fp64, Some(Elements::Doubles(list))) => ConstantData::Fp64(list.values),
        (DType::Int32, Some(Elements::Ints(list))) => ConstantData::Int32(list.values),
        (DType::Int64, Some(Elements::LongInts(list))) => ConstantData::Int64(list.values),
        (DType::UInt64, Some(Elements::LongInts(list))) => {
            // The same 64 bits: the field is signed, the element is not.
            ConstantData::UInt64(list.values.iter().map(|v| v.cast_unsigned()).collect())
        }
        (_, Some(Elements::Ints(list))) if dtype.is_integer() => {
            integers(dtype, list.values.iter().map(|&v| i64::from(v)))?
        }
        (_, Some(Elements::LongInts(list))) if dtype.is_integer() => {
            integers(dtype, list.values.iter().copied())?
        }
        (DType::Bool, None) if count == 0 => ConstantData::Bool(Vec::new()),
        (DType::String, None) if count == 0 => ConstantData::String(Vec::new()),
        (_, None) if count == 0 => blob::decode(dtype, 0, &[]).map_err(|error| error.to_string())?,
        _ => return Err(format!("the elements are not those of {dtype}")),
    };
    match data.len() {
        Some(length) if length == count => Ok(data),
        length => Err(format!("{} elements of {dtype} for {count}", length.unwrap_or(0))),
    }
}

/// Elements of an integer type from numbers that may be out of its range.
fn integers(dtype: DType, values: impl Iterator<Item = i64>) -> Result<ConstantData, String> {
    let (low, high) = dtype.integer_range().unwrap_or((0, 0));
    let values = values.map(|value| match i128::from(value) {
        wide if wide < low || wide > high => Err(format!("{value} is no {dtype}")),
        _ => Ok(value),
    });
    // In range, so that no conversion changes the number.
    macro_rules! list {
        ($variant:ident, $element:ty) => {
            ConstantData::$variant(values.map(|v| v.map(|v| v as $element)).collect::<Result<_, _>>()?)
        };
    }
    Ok(match dtype {
        DType::Int4 | DType::Int8 => list!(Int8, i8),
        DType::UInt1 | DType::UInt2 | DType::UInt3 | DType::UInt4 | DType::UInt6 | DType::UInt8 => {
            list!(UInt8, u8)
        }
        DType::Int16 => list!(Int16, i16),
        DType::UInt16 => list!(UInt16, u16),
        DType::Int32 => list!(Int32, i32),
        DType::UInt32 => list!(UInt32, u32),
        DType::Int64 => list!(Int64, i64),
        DType::UInt64 => list!(UInt64, u64),
        _ => return Err(format!("integers for {dtype}")),
    })
}

/// A value for the package.
pub(super) fn write_value(literal: &Literal) -> Result<proto::Value, String> {
    match literal {
        Literal::Tensor(constant) => write_tensor(constant.ty.dtype, &constant.ty.shape, &constant.data),
        Literal::Composite { ty, value } => write_payload(ty, value),
    }
}

fn write_tensor(dtype: DType, shape: &[usize], data: &ConstantData) -> Result<proto::Value, String> {
    let kind = match data {
        ConstantData::Blob { path, offset } => {
            ValueKind::BlobFile(proto::BlobFileValue { file_name: path.clone(), offset: *offset })
        }
        data => {
            let value = Some(write_elements(dtype, data)?);
            immediate(Immediate::Tensor(proto::TensorValue { value }))
        }
    };
    let ty = proto::ValueType { kind: Some(fixed_tensor(dtype, shape)) };
    Ok(proto::Value { doc_string: String::new(), r#type: Some(ty), kind: Some(kind) })
}

fn immediate(value: Immediate) -> ValueKind {
    ValueKind::Immediate(proto::ImmediateValue { value: Some(value) })
}

/// The field that Core ML reads elements of each type from.
fn write_elements(dtype: DType, data: &ConstantData) -> Result<Elements, String> {
    Ok(match data {
        ConstantData::Bool(values) => Elements::Bools(proto::Bools { values: values.clone() }),
        ConstantData::String(values) => Elements::Strings(proto::Strings { values: values.clone() }),
        ConstantData::Fp32(values) => Elements::Floats(proto::Floats { values: values.clone() }),
        ConstantData::Fp64(values) => Elements::Doubles(proto::Doubles { values: values.clone() }),
        ConstantData::Int16(values) => ints(values.iter().map(|&v| v.into())),
        ConstantData::UInt16(values) => ints(values.iter().map(|&v| v.into())),
        ConstantData::Int32(values) => Elements::Ints(proto::Ints { values: values.clone() }),
        ConstantData::Int64(values) => Elements::LongInts(proto::LongInts { values: values.clone() }),
        ConstantData::UInt64(values) => {
            Elements::LongInts(proto::LongInts { values: values.iter().map(|v| v.cast_signed()).collect() })
        }
        data => match blob::encode(dtype, data) {
            Some(values) => Elements::Bytes(proto::Bytes { values }),
            None => return Err(format!("the elements are not {dtype}")),
        },
    })
}

fn ints(values: impl Iterator<Item = i32>) -> Elements {
    Elements::Ints(proto::Ints { values: values.collect() })
}

/// Extents of elements that `ty` leaves open are those of the value.
fn write_payload(ty: &Type, value: &Payload) -> Result<proto::Value, String> {
    let (ty, kind) = match (ty, value) {
        (ty, Payload::Elements { shape, data }) => {
            let dtype = ty.dtype().ok_or_else(|| format!("elements for {ty}"))?;
            return write_tensor(dtype, shape, data);
        }
        (Type::List(item, _), Payload::List(items)) => {
            let values = items.iter().map(|value| write_payload(item, value)).collect::<Result<_, _>>()?;
            (write_type(ty)?, Immediate::List(proto::Values { values }))
        }
        (Type::Tuple(types), Payload::Tuple(items)) if types.len() == items.len() => {
            let values = types.iter().zip(items).map(|(ty, value)| write_payload(ty, value));
            (write_type(ty)?, Immediate::Tuple(proto::Values { values: values.collect::<Result<_, _>>()? }))
        }
        (Type::Dict(key, item), Payload::Dict(pairs)) => {
            let values = pairs.iter().map(|(k, value)| {
                Ok(proto::KeyValuePair {
                    key: Some(write_payload(key, k)?),
                    value: Some(write_payload(item, value)?),
                })
            });
            let values = values.collect::<Result<_, String>>()?;
            (write_type(ty)?, Immediate::Dictionary(proto::DictionaryValue { values }))
        }
        _ => return Err(format!("the value is not of its type {ty}")),
    };
    Ok(proto::Value { doc_string: String::new(), r#type: Some(ty), kind: Some(immediate(kind)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_type_has_a_code() {
        for ty in DType::all() {
            assert_eq!(dtype(data_type(ty)), Ok(ty));
        }
    }

    #[test]
    fn inline_elements_of_every_type_come_back() {
        let bytes: Vec<u8> = (0..72).map(|i| i * 37).collect();
        for dtype in DType::all() {
            let data = match dtype {
                DType::Bool => {
                    ConstantData::Bool(vec![true, false, true, true, false, false, true, false, true])
                }
                DType::String => ConstantData::String((0..9).map(|i| format!("text {i}")).collect()),
                _ => blob::decode(dtype, 9, &bytes[..(9 * dtype.bits()).div_ceil(8)]).unwrap(),
            };
            let literal = Literal::Tensor(Constant { ty: TensorType::new(dtype, [3, 3]), data });
            assert_eq!(read_value(write_value(&literal).unwrap()), Ok(literal));
        }
    }

    #[test]
    fn numbers_outside_their_type_are_refused() {
        assert!(integers(DType::UInt4, [15].into_iter()).is_ok());
        assert!(integers(DType::UInt4, [16].into_iter()).is_err());
        assert!(integers(DType::Int4, [-9].into_iter()).is_err());
        assert!(integers(DType::UInt32, [-1].into_iter()).is_err());
    }

    #[test]
    fn a_count_that_the_elements_do_not_have_is_refused() {
        let huge = proto::Value {
            doc_string: String::new(),
            r#type: Some(proto::ValueType { kind: Some(fixed_tensor(DType::Fp16, &[1 << 30, 8])) }),
            kind: Some(immediate(Immediate::Tensor(proto::TensorValue {
                value: Some(Elements::Bytes(proto::Bytes { values: vec![0; 4] })),
            }))),
        };
        assert!(read_value(huge).is_err());
    }
}
