use engrad_mil::TensorType;

/// Rows of a surface start at multiples of this many bytes (ane-facts 4.2).
const ROW_ALIGNMENT: usize = 64;

/// One input or output of a kernel: name, type and the byte layout its surface must have.
///
/// The last dimension is a row; rows are stored one after the other, each `row_stride` bytes from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name of the program's input or output.
    pub name: String,
    /// Element type and shape.
    pub ty: TensorType,
    /// Bytes from one row to the next: the row's bytes rounded up to 64.
    pub row_stride: usize,
}

impl Port {
    /// The port of a value of that type.
    pub fn new(name: impl Into<String>, ty: TensorType) -> Self {
        let row_stride =
            (ty.shape.last().copied().unwrap_or(1) * ty.dtype.size()).next_multiple_of(ROW_ALIGNMENT);
        Self { name: name.into(), ty, row_stride }
    }

    /// Elements in one row.
    pub fn width(&self) -> usize {
        self.ty.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows: the product of all dimensions but the last.
    pub fn rows(&self) -> usize {
        self.ty.elements() / self.width().max(1)
    }

    /// Bytes of its surface.
    pub fn bytes(&self) -> usize {
        self.rows() * self.row_stride
    }

    /// Elements from one row to the next.
    pub fn stride_elements(&self) -> usize {
        self.row_stride / self.ty.dtype.size().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engrad_mil::DType;

    #[test]
    fn rows_are_padded_to_64_bytes() {
        let port = Port::new("x", TensorType::channels(DType::Fp16, 768, 1));
        assert_eq!((port.row_stride, port.bytes()), (64, 49_152));
        let port = Port::new("x", TensorType::channels(DType::Fp16, 3, 33));
        assert_eq!((port.row_stride, port.stride_elements(), port.rows()), (128, 64, 3));
    }
}
