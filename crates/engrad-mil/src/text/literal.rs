//! Types and literals of the grammar.

use half::f16;

use super::lexer::{Lexer, clip};
use super::number;
use crate::{Constant, ConstantData, DType, MAX_ELEMENTS, MAX_RANK, MilError, TensorType};

/// `fp16`, or `tensor<fp16, [1, 2]>`.
pub(super) fn ty(lexer: &mut Lexer<'_>) -> Result<TensorType, MilError> {
    let at = lexer.position();
    let word = lexer.word("a type")?;
    if word != "tensor" {
        return Ok(TensorType::scalar(dtype(lexer, at, word)?));
    }
    lexer.expect(b'<', "after `tensor`")?;
    let element_at = lexer.position();
    let element = lexer.word("an element type")?;
    let element = dtype(lexer, element_at, element)?;
    lexer.expect(b',', "after the element type")?;
    lexer.expect(b'[', "before the shape")?;
    let mut shape = Vec::new();
    while !lexer.eat(b']') {
        if !shape.is_empty() {
            lexer.expect(b',', "between extents")?;
        }
        shape.push(extent(lexer)?);
        if shape.len() > MAX_RANK {
            return Err(lexer.error(at, format!("more than {MAX_RANK} dimensions")));
        }
    }
    lexer.expect(b'>', "after the shape")?;
    let ty = TensorType::new(element, shape);
    if ty.is_bounded() {
        Ok(ty)
    } else {
        Err(lexer.error(at, format!("{ty} has more than {MAX_ELEMENTS} elements")))
    }
}

fn dtype(lexer: &Lexer<'_>, at: usize, word: &str) -> Result<DType, MilError> {
    DType::from_name(word).ok_or_else(|| lexer.error(at, format!("unknown type `{}`", clip(word))))
}

fn extent(lexer: &mut Lexer<'_>) -> Result<usize, MilError> {
    if lexer.peek() == Some(b'?') {
        let at = lexer.position();
        return Err(lexer.error(at, "`?`: every extent must be known".to_owned()));
    }
    let (at, text) = lexer.number();
    match integer::<usize>(text) {
        Some(extent) if extent > 0 => Ok(extent),
        _ => Err(lexer.error(at, format!("expected a positive extent, found `{}`", clip(text)))),
    }
}

/// A typed literal: `int32(1)`, `tensor<fp16, [2]>([0x1p+0, 0x1p+1])`, or one that refers to a blob file.
pub(super) fn literal(lexer: &mut Lexer<'_>) -> Result<Constant, MilError> {
    let ty = ty(lexer)?;
    lexer.expect(b'(', "before the value")?;
    let data = if lexer.peek() == Some(b'B') { blob(lexer)? } else { values(lexer, &ty)? };
    lexer.expect(b')', "after the value")?;
    Ok(Constant { ty, data })
}

/// A text literal, in either scalar form.
pub(super) fn string(lexer: &mut Lexer<'_>) -> Result<String, MilError> {
    let text = TensorType::scalar(DType::String);
    expect_type(lexer, &text)?;
    lexer.expect(b'(', "before the text")?;
    let value = lexer.string()?;
    lexer.expect(b')', "after the text")?;
    Ok(value)
}

/// Reads a type that must be the given one.
pub(super) fn expect_type(lexer: &mut Lexer<'_>, expected: &TensorType) -> Result<(), MilError> {
    let at = lexer.position();
    let found = ty(lexer)?;
    if found == *expected {
        return Ok(());
    }
    Err(lexer.error(at, format!("expected {expected}, found {found}")))
}

/// `BLOBFILE(path = string("…"), offset = uint64(64))`, its two parts in any order.
fn blob(lexer: &mut Lexer<'_>) -> Result<ConstantData, MilError> {
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
        match key {
            "path" if path.is_none() => path = Some(string(lexer)?),
            "offset" if offset.is_none() => {
                expect_type(lexer, &TensorType::scalar(DType::UInt64))?;
                lexer.expect(b'(', "before the offset")?;
                offset = Some(whole::<u64>(lexer)?);
                lexer.expect(b')', "after the offset")?;
            }
            _ => return Err(lexer.error(at, "BLOBFILE takes `path` and `offset`, once each".to_owned())),
        }
    }
    match (path, offset) {
        (Some(path), Some(offset)) => Ok(ConstantData::Blob { path, offset }),
        _ => {
            let at = lexer.position();
            Err(lexer.error(at, "BLOBFILE needs both `path` and `offset`".to_owned()))
        }
    }
}

fn values(lexer: &mut Lexer<'_>, ty: &TensorType) -> Result<ConstantData, MilError> {
    Ok(match ty.dtype {
        DType::Bool => ConstantData::Bool(nested(lexer, ty, truth)?),
        DType::Int8 => ConstantData::Int8(nested(lexer, ty, whole)?),
        DType::UInt8 => ConstantData::UInt8(nested(lexer, ty, whole)?),
        DType::Int32 => ConstantData::Int32(nested(lexer, ty, whole)?),
        DType::UInt64 => ConstantData::UInt64(nested(lexer, ty, whole)?),
        DType::Fp16 => ConstantData::Fp16(nested(lexer, ty, |lexer| {
            float(lexer, number::HALF).map(|bits| f16::from_bits(bits as u16))
        })?),
        DType::Fp32 => {
            ConstantData::Fp32(nested(lexer, ty, |lexer| float(lexer, number::SINGLE).map(f32::from_bits))?)
        }
        DType::String => ConstantData::String(nested(lexer, ty, Lexer::string)?),
    })
}

/// Lists nested to the rank, row-major. What is reserved ahead is bounded by the text that is left.
fn nested<'a, T>(
    lexer: &mut Lexer<'a>,
    ty: &TensorType,
    element: impl Fn(&mut Lexer<'a>) -> Result<T, MilError>,
) -> Result<Vec<T>, MilError> {
    let mut values = Vec::with_capacity(ty.elements().min(lexer.remaining() / 4 + 1));
    list(lexer, &ty.shape, &mut values, &element)?;
    Ok(values)
}

fn list<'a, T>(
    lexer: &mut Lexer<'a>,
    shape: &[usize],
    values: &mut Vec<T>,
    element: &impl Fn(&mut Lexer<'a>) -> Result<T, MilError>,
) -> Result<(), MilError> {
    let Some((&extent, inner)) = shape.split_first() else {
        values.push(element(lexer)?);
        return Ok(());
    };
    lexer.expect(b'[', "to begin a list")?;
    for position in 0..extent {
        if position > 0 && !lexer.eat(b',') {
            let at = lexer.position();
            let reason = format!("expected `,`, found {}: {position} of {extent} elements", lexer.found());
            return Err(lexer.error(at, reason));
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
    let at = lexer.position();
    Err(lexer.error(at, format!("expected `]` after {extent} elements, found {}", lexer.found())))
}

fn truth(lexer: &mut Lexer<'_>) -> Result<bool, MilError> {
    match lexer.number() {
        (_, "true") => Ok(true),
        (_, "false") => Ok(false),
        (at, other) => Err(lexer.error(at, format!("expected true or false, found `{}`", clip(other)))),
    }
}

fn whole<T: std::str::FromStr>(lexer: &mut Lexer<'_>) -> Result<T, MilError> {
    let (at, text) = lexer.number();
    integer(text).ok_or_else(|| {
        let reason = format!("`{}` is not an integer of the type's range", clip(text));
        lexer.error(at, reason)
    })
}

/// Decimal digits with an optional minus, in range.
fn integer<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.starts_with('+') { None } else { text.parse().ok() }
}

#[inline]
fn float(lexer: &mut Lexer<'_>, format: number::Format) -> Result<u32, MilError> {
    let (at, text) = lexer.number();
    number::read(format, text.as_bytes())
        .map_err(|reason| lexer.error(at, format!("`{}`: {reason}", clip(text))))
}
