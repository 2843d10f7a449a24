//! `fuzz_seeds FOLDER`: small valid files for the fuzz targets, into `FOLDER/blob` and `FOLDER/package`.

use std::path::Path;

use engrad_mil::blob::{BlobWriter, stores};
use engrad_mil::{DType, parse};
use engrad_package::{Metadata, package};

/// Programs that together have every kind of type, value and argument that packages have.
const PROGRAMS: [(&str, &str); 5] = [
    (
        "operations",
        r#"program(1.0)
[buildInfo = dict<tensor<string, []>, tensor<string, []>>({{"coremltools-version", "9.0"}})]
{
    func main<ios16>(tensor<fp16, [1, 2]> x) {
            tensor<fp16, [1, 2]> w = const()[name = tensor<string, []>("w"), val = tensor<fp16, [1, 2]>([[0x1p+0, nan]])];
            tensor<fp16, [1, 2]> a = add(x = x, y = w)[name = tensor<string, []>("a")];
            tensor<int32, []> axis = const()[val = tensor<int32, []>(1)];
            tensor<bool, []> interleave = const()[val = tensor<bool, []>(false)];
            tensor<fp16, [1, 4]> y = concat(axis = axis, interleave = interleave, values = (a, x));
        } -> (y, a);
}
"#,
    ),
    (
        "state",
        r#"program(1.3)
{
    func main<ios18>(tensor<fp16, [1, 2]> x, state<tensor<fp16, [1, 2]>> s) {
            tensor<fp16, [1, 2]> r = read_state(input = s);
            tensor<fp16, [1, 2]> y = add(x = r, y = x);
            write_state(data = y, input = s);
        } -> (y);
    func other<ios18>(tensor<fp32, [3]> x) {
            tensor<fp32, [3]> y = relu(x = x);
        } -> (y);
}
"#,
    ),
    (
        "flexible",
        r#"program(1.0)
{
    func main<ios16>(tensor<fp16, [1, ?]> x, tensor<fp16, [?, 2]> z)[FlexibleShapeInformation = tuple<tuple<tensor<string, []>, dict<tensor<string, []>, tensor<int32, [?]>>>, tuple<tensor<string, []>, dict<tensor<string, []>, dict<tensor<string, []>, tensor<int32, [?]>>>>, tuple<tensor<string, []>, dict<tensor<string, []>, list<tensor<int32, [2]>, ?>>>>((("DefaultShapes", {{"x", [1, 4]}, {"z", [2, 2]}}), ("EnumeratedShapes", {{"00000000", {{"z", [2, 2]}}}, {"00000001", {{"z", [3, 2]}}}}), ("RangeDims", {{"x", [[1, 1], [1, 8]]}})))] {
            tensor<fp16, [1, ?]> y = relu(x = x);
            tensor<fp16, [?, 2]> w = relu(x = z);
        } -> (y, w);
}
"#,
    ),
    (
        "values",
        r#"program(1.3)
{
    func main<ios18>(tensor<fp16, [2]> x) {
            tensor<int4, [3]> a = const()[val = tensor<int4, [3]>([-8, 7, 1])];
            tensor<uint3, [3]> b = const()[val = tensor<uint3, [3]>([1, 7, 0])];
            tensor<uint16, [2]> c = const()[val = tensor<uint16, [2]>([1, 65535])];
            tensor<uint64, [2]> d = const()[val = tensor<uint64, [2]>([1, 18446744073709551615])];
            tensor<bool, [2]> e = const()[val = tensor<bool, [2]>([true, false])];
            tensor<string, [2]> f = const()[val = tensor<string, [2]>(["a\n", "\"b\""])];
            tensor<fp64, [1]> g = const()[val = tensor<fp64, [1]>([0x1p-3])];
            tensor<bf16, [1]> h = const()[val = tensor<bf16, [1]>([0x1p+3])];
            list<string, 2> i = const()[val = list<string, 2>(("a", "b"))];
            tensor<int8, [64]> j = const()[val = tensor<int8, [64]>(BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64)))];
            tensor<fp16, [2]> y = mystery(x = x, z = tensor<int32, [0]>([]))[note = tuple<int32, string>((1, "b"))];
        } -> (y);
}
"#,
    ),
    (
        "constexpr",
        r#"program(1.0)
{
    func main<ios16>(tensor<fp16, [2, 3]> x) {
            tensor<fp16, [2, 3]> w = constexpr_affine_dequantize()[axis = tensor<int32, []>(0), quantized_data = tensor<int8, [2, 3]>(BLOBFILE(path = tensor<string, []>("@model_path/weights/weight.bin"), offset = tensor<uint64, []>(64))), scale = tensor<fp16, []>(0x1p+0), zero_point = tensor<int8, []>(0)];
            tensor<fp16, [2, 3]> y = mul(x = x, y = w);
        } -> (y);
}
"#,
    ),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: fuzz_seeds FOLDER")?;
    let folder = Path::new(&folder);
    for part in ["blob", "package"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    for (name, text) in PROGRAMS {
        let bytes = package::write(&parse(text)?, &Metadata::default())?;
        std::fs::write(folder.join("package").join(name), bytes)?;
    }
    let mut all = BlobWriter::new();
    for dtype in DType::all().filter(|&dtype| stores(dtype)) {
        let elements: Vec<u8> = (1..=(5 * dtype.bits()).div_ceil(8) as u8).collect();
        all.add(dtype, 5, &elements)?;
    }
    std::fs::write(folder.join("blob/every_type"), all.finish())?;
    let mut one = BlobWriter::new();
    one.add(DType::Fp16, 2, &[1, 2, 3, 4])?;
    std::fs::write(folder.join("blob/one"), one.finish())?;
    std::fs::write(folder.join("blob/none"), BlobWriter::new().finish())?;
    Ok(())
}
