//! Types and literals of the grammar.

use half::{bf16, f16};

use super::lexer::{Fault, Lexer, clip, is_identifier};
use super::number;
use crate::{
    BufferType, Constant, ConstantData, DType, Dim, Literal, MAX_ELEMENTS, MAX_RANK, Name, Payload,
    ShapedType, TensorType, Type,
};

/// Deepest nesting of types and of the values of composite literals.
const MAX_DEPTH: usize = 32;
/// Most members of a tuple type and parameters of a buffer type.
const MAX_MEMBERS: usize = 256;

/// Words that begin a type with parameters.
pub(super) const TYPE_WORDS: [&str; 6] = ["tensor", "state", "list", "dict", "tuple", "tensor_buffer"];

/// `fp16`, `tensor<fp16, [1, ?]>`, `list<string, 3>` …
pub(super) fn ty(lexer: &mut Lexer<'_>) -> Result<Type, Fault> {
    nested_type(lexer, 0)
}

fn nested_type(lexer: &mut Lexer<'_>, depth: usize) -> Result<Type, Fault> {
    let at = lexer.position();
    let word = lexer.word("a type")?;
    if depth > MAX_DEPTH {
        let message = format!("types nested deeper than {MAX_DEPTH}");
        return Err(lexer.fault("P0008", at, lexer.offset(), &message));
    }
    if !TYPE_WORDS.contains(&word) {
        return Ok(Type::Tensor(TensorType::scalar(dtype(lexer, at, word)?)));
    }
    lexer.expect(b'<', &format!("after `{word}`"))?;
    let inner = |lexer: &mut Lexer<'_>| nested_type(lexer, depth + 1);
    let ty = match word {
        "tensor" => {
            let (dtype, dims) = shaped(lexer)?;
            Type::tensor_of(dtype, dims)
        }
        "tensor_buffer" => {
            let (dtype, dims) = shaped(lexer)?;
            Type::Buffer(BufferType { tensor: ShapedType { dtype, dims }, parameters: parameters(lexer)? })
        }
        "state" => Type::State(Box::new(inner(lexer)?)),
        "list" => {
            let item = inner(lexer)?;
            lexer.expect(b',', "after the items' type")?;
            Type::List(Box::new(item), dim(lexer)?)
        }
        "dict" => {
            let key = inner(lexer)?;
            lexer.expect(b',', "after the keys' type")?;
            Type::Dict(Box::new(key), Box::new(inner(lexer)?))
        }
        _ => {
            let mut members = Vec::new();
            while lexer.peek() != Some(b'>') {
                if !members.is_empty() {
                    lexer.expect(b',', "between members")?;
                }
                members.push(inner(lexer)?);
                if members.len() > MAX_MEMBERS {
                    let message = format!("a tuple of more than {MAX_MEMBERS} members");
                    return Err(lexer.fault("P0008", at, lexer.offset(), &message));
                }
            }
            Type::Tuple(members)
        }
    };
    lexer.expect(b'>', "after the type")?;
    let extents = ty.dims().unwrap_or_default();
    let known: Vec<usize> = extents.iter().filter_map(Dim::fixed).collect();
    if extents.len() > MAX_RANK || !TensorType::new(DType::Int8, known).is_bounded() {
        let message = format!("more than {MAX_RANK} dimensions or {MAX_ELEMENTS} elements");
        return Err(lexer.fault("P0008", at, lexer.offset(), &message));
    }
    Ok(ty)
}

/// Element type and extents between `<` and `>`.
fn shaped(lexer: &mut Lexer<'_>) -> Result<(DType, Vec<Dim>), Fault> {
    let at = lexer.position();
    let word = lexer.word("an element type")?;
    let element = dtype(lexer, at, word)?;
    lexer.expect(b',', "after the element type")?;
    Ok((element, dims(lexer)?))
}

fn dims(lexer: &mut Lexer<'_>) -> Result<Vec<Dim>, Fault> {
    let at = lexer.position();
    lexer.expect(b'[', "before the shape")?;
    let mut dims = Vec::new();
    while !lexer.eat(b']') {
        if !dims.is_empty() {
            lexer.expect(b',', "between extents")?;
        }
        dims.push(dim(lexer)?);
        if dims.len() > MAX_RANK {
            let message = format!("more than {MAX_RANK} dimensions");
            return Err(lexer.fault("P0008", at, lexer.offset(), &message));
        }
    }
    Ok(dims)
}

/// An extent: a number, `?`, or a name.
fn dim(lexer: &mut Lexer<'_>) -> Result<Dim, Fault> {
    if lexer.eat(b'?') {
        return Ok(Dim::Any);
    }
    let (at, text) = lexer.number();
    // Ranges such as `1..512` are names of what is known elsewhere.
    let symbol = is_identifier(text) || text.split_once("..").is_some_and(|(low, high)| is_range(low, high));
    match integer::<usize>(text) {
        Some(extent) => Ok(Dim::Fixed(extent)),
        None if symbol => Ok(Dim::Symbol(Name::Owned(text.to_owned()))),
        None if text.is_empty() => Err(lexer.unexpected("an extent")),
        None => {
            let message = format!("expected an extent, found `{}`", clip(text));
            Err(lexer.fault("P0002", at, lexer.offset(), &message))
        }
    }
}

fn is_range(low: &str, high: &str) -> bool {
    integer::<usize>(low).is_some() && (high.is_empty() || integer::<usize>(high).is_some())
}

/// `, strides = [64, 8, 1]`, `, [8, 1]`, `, interleave = 4`, any number of them.
fn parameters(lexer: &mut Lexer<'_>) -> Result<Vec<(Name, Vec<Dim>)>, Fault> {
    let at = lexer.position();
    let mut parameters = Vec::new();
    while lexer.eat(b',') {
        let name = if lexer.peek() == Some(b'[') {
            String::new()
        } else {
            let name = lexer.word("a parameter")?.to_owned();
            lexer.expect(b'=', "after the parameter's name")?;
            name
        };
        let list = if lexer.peek() == Some(b'[') { dims(lexer)? } else { vec![dim(lexer)?] };
        parameters.push((Name::Owned(name), list));
        if parameters.len() > MAX_MEMBERS {
            let message = format!("more than {MAX_MEMBERS} parameters");
            return Err(lexer.fault("P0008", at, lexer.offset(), &message));
        }
    }
    Ok(parameters)
}

fn dtype(lexer: &Lexer<'_>, at: usize, word: &str) -> Result<DType, Fault> {
    DType::from_name(word).ok_or_else(|| {
        lexer.fault("P0003", at, at + word.len(), &format!("unknown element type `{}`", clip(word)))
    })
}

/// A typed literal: `int32(1)`, `tensor<fp16, [2]>([0x1p+0, 0x1p+1])`, a dictionary …, or one that refers to a blob file.
pub(super) fn literal(lexer: &mut Lexer<'_>) -> Result<Literal, Fault> {
    let at = lexer.position();
    let ty = ty(lexer)?;
    lexer.expect(b'(', "before the value")?;
    let literal = match ty {
        Type::Tensor(ty) => {
            let data = if lexer.peek() == Some(b'B') { blob(lexer)? } else { elements(lexer, &ty)? };
            Literal::Tensor(Constant { ty, data })
        }
        Type::State(_) | Type::Buffer(_) => {
            return Err(lexer.fault("P0001", at, lexer.offset(), "there are no literals of this type"));
        }
        ty => {
            let value = payload(lexer, &ty, 0)?;
            Literal::Composite { ty, value }
        }
    };
    lexer.expect(b')', "after the value")?;
    Ok(literal)
}

fn payload(lexer: &mut Lexer<'_>, ty: &Type, depth: usize) -> Result<Payload, Fault> {
    let at = lexer.position();
    if depth > MAX_DEPTH {
        return Err(lexer.fault("P0008", at, at + 1, &format!("values nested deeper than {MAX_DEPTH}")));
    }
    match ty {
        Type::Tensor(ty) => Ok(Payload::Elements { shape: ty.shape.clone(), data: elements(lexer, ty)? }),
        Type::Flexible(ty) => flexible(lexer, ty),
        Type::List(item, length) => {
            let (open, close) = if lexer.peek() == Some(b'(') { (b'(', b')') } else { (b'[', b']') };
            lexer.expect(open, "to begin a list")?;
            let mut items = Vec::new();
            while !lexer.eat(close) {
                if !items.is_empty() {
                    lexer.expect(b',', "between items")?;
                }
                items.push(payload(lexer, item, depth + 1)?);
            }
            if length.fixed().is_some_and(|length| length != items.len()) {
                let message = format!("{} items in a list of {length}", items.len());
                return Err(lexer.fault("P0004", at, lexer.offset(), &message));
            }
            Ok(Payload::List(items))
        }
        Type::Tuple(members) => {
            lexer.expect(b'(', "to begin a tuple")?;
            let mut values = Vec::new();
            for (position, member) in members.iter().enumerate() {
                if position > 0 {
                    lexer.expect(b',', "between members")?;
                }
                values.push(payload(lexer, member, depth + 1)?);
            }
            lexer.expect(b')', "after the tuple's last member")?;
            Ok(Payload::Tuple(values))
        }
        Type::Dict(key, value) => {
            lexer.expect(b'{', "to begin a dictionary")?;
            let mut pairs = Vec::new();
            while !lexer.eat(b'}') {
                if !pairs.is_empty() {
                    lexer.expect(b',', "between pairs")?;
                }
                // Only the dictionary has doubled braces, not each pair (ane-facts 2.1).
                lexer.expect(b'{', "to begin a pair")?;
                let left = payload(lexer, key, depth + 1)?;
                lexer.expect(b',', "between key and value")?;
                let right = payload(lexer, value, depth + 1)?;
                lexer.expect(b'}', "to end a pair")?;
                pairs.push((left, right));
            }
            Ok(Payload::Dict(pairs))
        }
        Type::State(_) | Type::Buffer(_) => {
            Err(lexer.fault("P0001", at, at + 1, "there are no literals of this type"))
        }
    }
}

/// A tensor whose extents follow from its lists.
fn flexible(lexer: &mut Lexer<'_>, ty: &ShapedType) -> Result<Payload, Fault> {
    // Look ahead: the first list of each depth says how long all of them are.
    let start = lexer.clone();
    let mut shape = Vec::with_capacity(ty.rank());
    for (depth, extent) in ty.dims.iter().enumerate() {
        let length = match extent.fixed() {
            Some(length) => length,
            None => {
                *lexer = start.clone();
                for _ in 0..depth {
                    lexer.expect(b'[', "to begin a list")?;
                }
                count_items(lexer)?
            }
        };
        shape.push(length);
        if length == 0 {
            // What lies deeper has no example to count.
            shape.extend(ty.dims[depth + 1..].iter().map(|extent| extent.fixed().unwrap_or(0)));
            break;
        }
    }
    let at = start.offset();
    *lexer = start;
    let fixed = TensorType::new(ty.dtype, shape);
    if !fixed.is_bounded() {
        return Err(lexer.fault("P0008", at, at + 1, "too many elements"));
    }
    let data = elements(lexer, &fixed)?;
    Ok(Payload::Elements { shape: fixed.shape, data })
}

/// Number of items of the list that begins here.
fn count_items(lexer: &mut Lexer<'_>) -> Result<usize, Fault> {
    lexer.expect(b'[', "to begin a list")?;
    if lexer.peek() == Some(b']') {
        return Ok(0);
    }
    let (mut items, mut depth) = (1usize, 0usize);
    loop {
        match lexer.peek() {
            Some(b'"') => drop(lexer.string()?),
            Some(b'[') => {
                depth += 1;
                lexer.expect(b'[', "")?;
            }
            Some(b']') if depth == 0 => return Ok(items),
            Some(b']') => {
                depth -= 1;
                lexer.expect(b']', "")?;
            }
            Some(b',') => {
                items += usize::from(depth == 0);
                lexer.expect(b',', "")?;
            }
            _ if lexer.number().1.is_empty() => {
                return Err(lexer.unexpected("an element or the end of the list"));
            }
            _ => {}
        }
    }
}

/// `BLOBFILE(path = string("…"), offset = uint64(64))`, its two parts in any order.
fn blob(lexer: &mut Lexer<'_>) -> Result<ConstantData, Fault> {
    let start = lexer.position();
    lexer.keyword("BLOBFILE")?;
    lexer.expect(b'(', "after BLOBFILE")?;
    let (mut path, mut offset) = (None, None);
    while !lexer.eat(b')') {
        if path.is_some() || offset.is_some() {
            lexer.expect(b',', "between path and offset")?;
        }
        let at = lexer.position();
        let key = lexer.word("`path` or `offset`")?;
        lexer.expect(b'=', "after the key")?;
        let value = literal_inside(lexer)?;
        match (key, value.data) {
            ("path", ConstantData::String(mut texts)) if path.is_none() && texts.len() == 1 => {
                path = texts.pop();
            }
            ("offset", ConstantData::UInt64(offsets)) if offset.is_none() && offsets.len() == 1 => {
                offset = offsets.first().copied();
            }
            _ => {
                let message = "BLOBFILE takes `path`, a string, and `offset`, a uint64, once each";
                return Err(lexer.fault("P0001", at, lexer.offset(), message));
            }
        }
    }
    match (path, offset) {
        (Some(path), Some(offset)) => Ok(ConstantData::Blob { path, offset }),
        _ => Err(lexer.fault("P0001", start, lexer.offset(), "BLOBFILE needs both `path` and `offset`")),
    }
}

/// A scalar literal inside another.
fn literal_inside(lexer: &mut Lexer<'_>) -> Result<Constant, Fault> {
    let at = lexer.position();
    match ty(lexer)? {
        Type::Tensor(ty) if ty.shape.is_empty() => {
            lexer.expect(b'(', "before the value")?;
            let data = elements(lexer, &ty)?;
            lexer.expect(b')', "after the value")?;
            Ok(Constant { ty, data })
        }
        _ => Err(lexer.fault("P0001", at, lexer.offset(), "expected a scalar literal")),
    }
}

fn elements(lexer: &mut Lexer<'_>, ty: &TensorType) -> Result<ConstantData, Fault> {
    let narrow = ty.dtype.integer_range();
    Ok(match ty.dtype {
        DType::Bool => ConstantData::Bool(nested(lexer, ty, truth)?),
        DType::Int8 => ConstantData::Int8(nested(lexer, ty, whole)?),
        DType::Int4 => ConstantData::Int8(nested(lexer, ty, |lexer| within(lexer, narrow))?),
        DType::UInt8 | DType::Fp8E4M3 | DType::Fp8E5M2 => ConstantData::UInt8(nested(lexer, ty, whole)?),
        DType::UInt1 | DType::UInt2 | DType::UInt3 | DType::UInt4 | DType::UInt6 => {
            ConstantData::UInt8(nested(lexer, ty, |lexer| within(lexer, narrow))?)
        }
        DType::Int16 => ConstantData::Int16(nested(lexer, ty, whole)?),
        DType::UInt16 => ConstantData::UInt16(nested(lexer, ty, whole)?),
        DType::Int32 => ConstantData::Int32(nested(lexer, ty, whole)?),
        DType::UInt32 => ConstantData::UInt32(nested(lexer, ty, whole)?),
        DType::Int64 => ConstantData::Int64(nested(lexer, ty, whole)?),
        DType::UInt64 => ConstantData::UInt64(nested(lexer, ty, whole)?),
        DType::Bf16 => ConstantData::Bf16(nested(lexer, ty, |lexer| {
            float(lexer, number::BRAIN).map(|bits| bf16::from_bits(bits as u16))
        })?),
        DType::Fp16 => ConstantData::Fp16(nested(lexer, ty, |lexer| {
            float(lexer, number::HALF).map(|bits| f16::from_bits(bits as u16))
        })?),
        DType::Fp32 => ConstantData::Fp32(nested(lexer, ty, |lexer| {
            float(lexer, number::SINGLE).map(|bits| f32::from_bits(bits as u32))
        })?),
        DType::Fp64 => {
            ConstantData::Fp64(nested(lexer, ty, |lexer| float(lexer, number::DOUBLE).map(f64::from_bits))?)
        }
        DType::String => ConstantData::String(nested(lexer, ty, Lexer::string)?),
    })
}

/// Lists nested to the rank, row-major. What is reserved ahead is bounded by the text that is left.
fn nested<'a, T>(
    lexer: &mut Lexer<'a>,
    ty: &TensorType,
    element: impl Fn(&mut Lexer<'a>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut values = Vec::with_capacity(ty.elements().min(lexer.remaining() / 2 + 1));
    list(lexer, &ty.shape, &mut values, &element)?;
    Ok(values)
}

fn list<'a, T>(
    lexer: &mut Lexer<'a>,
    shape: &[usize],
    values: &mut Vec<T>,
    element: &impl Fn(&mut Lexer<'a>) -> Result<T, Fault>,
) -> Result<(), Fault> {
    let Some((&extent, inner)) = shape.split_first() else {
        values.push(element(lexer)?);
        return Ok(());
    };
    let start = lexer.position();
    lexer.expect(b'[', "to begin a list")?;
    for position in 0..extent {
        if position > 0 && !lexer.eat(b',') {
            let at = lexer.position();
            let mut fault = lexer.unexpected("`,`");
            if lexer.peek() == Some(b']') {
                fault = lexer.fault(
                    "P0004",
                    start,
                    at + 1,
                    &format!("a list of {position} where {extent} are declared"),
                );
            }
            return Err(fault);
        }
        if inner.is_empty() {
            values.push(element(lexer)?);
        } else {
            list(lexer, inner, values, element)?;
        }
    }
    if lexer.eat(b']') {
        return Ok(());
    }
    if lexer.peek() == Some(b',') {
        let at = lexer.position();
        return Err(lexer.fault("P0004", at, at + 1, &format!("a list of more than the declared {extent}")));
    }
    Err(lexer.unexpected("`]` after the last element"))
}

fn truth(lexer: &mut Lexer<'_>) -> Result<bool, Fault> {
    match lexer.number() {
        (_, "true") => Ok(true),
        (_, "false") => Ok(false),
        (at, other) => {
            let message = format!("expected true or false, found `{}`", clip(other));
            Err(lexer.fault("P0002", at, lexer.offset(), &message))
        }
    }
}

/// An integer that takes a byte in memory and fewer bits in its type.
fn within<T: TryFrom<i32>>(lexer: &mut Lexer<'_>, range: Option<(i128, i128)>) -> Result<T, Fault> {
    let at = lexer.position();
    let value: i32 = whole(lexer)?;
    let inside = range.is_some_and(|(low, high)| (low..=high).contains(&i128::from(value)));
    match T::try_from(value) {
        Ok(value) if inside => Ok(value),
        _ => Err(lexer.fault("P0002", at, lexer.offset(), &format!("{value} is out of the type's range"))),
    }
}

#[inline]
fn whole<T: std::str::FromStr + TryFrom<i128>>(lexer: &mut Lexer<'_>) -> Result<T, Fault> {
    let (at, text) = lexer.number();
    integer(text).ok_or_else(|| {
        let message = format!("`{}` is not an integer of the type's range", clip(text));
        lexer.fault("P0002", at, lexer.offset(), &message)
    })
}

/// Decimal digits with an optional minus, or `0x` and hexadecimal ones, in range.
#[inline]
fn integer<T: std::str::FromStr + TryFrom<i128>>(text: &str) -> Option<T> {
    if let Some(digits) = text.strip_prefix("0x") {
        let plain = !digits.starts_with(['+', '-']);
        return i128::from_str_radix(digits, 16)
            .ok()
            .filter(|_| plain)
            .and_then(|value| T::try_from(value).ok());
    }
    if text.starts_with('+') { None } else { text.parse().ok() }
}

#[inline]
fn float(lexer: &mut Lexer<'_>, format: number::Format) -> Result<u64, Fault> {
    let (at, text) = lexer.number();
    number::read(format, text.as_bytes())
        .map_err(|reason| lexer.fault("P0002", at, lexer.offset(), &format!("`{}`: {reason}", clip(text))))
}
