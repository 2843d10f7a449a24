//! The checked-in header against the source. `ENGRAD_BLESS=1 cargo test -p engrad-bridge` rewrites it.

use std::path::Path;

/// Sections that the documentation of Rust wants; the header states the same without a title.
const SAFETY: &str = "//\n// # Safety\n";

fn generated(crate_dir: &Path) -> String {
    let config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(crate_dir.join("src/drop_in.rs"))
        .with_src(crate_dir.join("src/api.rs"))
        .generate()
        .unwrap();
    let mut header = Vec::new();
    bindings.write(&mut header);
    String::from_utf8(header).unwrap().replace(SAFETY, "")
}

#[test]
fn the_header_is_that_of_the_source() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = crate_dir.join("include/engrad_bridge.h");
    let wanted = generated(crate_dir);
    if std::env::var_os("ENGRAD_BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "include/engrad_bridge.h is not that of the source; run with ENGRAD_BLESS=1");
}

/// The functions of the known bridge, as its header declares them; spaces do not count.
const KNOWN: [&str; 14] = [
    "int ane_bridge_init(void);",
    "ANEKernelHandle *ane_bridge_compile(const char *mil_text, size_t mil_len, const uint8_t *weight_data, size_t \
     weight_len, int n_inputs, const size_t *input_sizes, int n_outputs, const size_t *output_sizes);",
    "ANEKernelHandle *ane_bridge_compile_multi_weights(const char *mil_text, size_t mil_len, const char \
     **weight_names, const uint8_t **weight_datas, const size_t *weight_lens, int n_weights, int n_inputs, const \
     size_t *input_sizes, int n_outputs, const size_t *output_sizes);",
    "bool ane_bridge_eval(ANEKernelHandle *kernel);",
    "void ane_bridge_write_input(ANEKernelHandle *kernel, int idx, const void *data, size_t bytes);",
    "void ane_bridge_read_output(ANEKernelHandle *kernel, int idx, void *data, size_t bytes);",
    "void ane_bridge_free(ANEKernelHandle *kernel);",
    "int ane_bridge_get_compile_count(void);",
    "void ane_bridge_reset_compile_count(void);",
    "uint8_t *ane_bridge_build_weight_blob(const float *src, int rows, int cols, size_t *out_len);",
    "uint8_t *ane_bridge_build_weight_blob_transposed(const float *src, int rows, int cols, size_t *out_len);",
    "uint8_t *ane_bridge_build_weight_blob_int8(const int8_t *src, int rows, int cols, size_t *out_len);",
    "uint8_t *ane_bridge_build_weight_blob_quantized(const float *src, int rows, int cols, float *out_scale, size_t \
     *out_len);",
    "void ane_bridge_free_blob(void *ptr);",
];

#[test]
fn signatures_are_those_of_the_known_bridge() {
    let plain = |text: &str| text.split_whitespace().collect::<String>();
    let header = plain(&generated(Path::new(env!("CARGO_MANIFEST_DIR"))));
    for declaration in KNOWN {
        assert!(header.contains(&plain(declaration)), "{declaration}");
    }
}
