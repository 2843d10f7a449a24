//! A compiled program with its surfaces, and the copies in and out.

use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

use engrad_engine::{Engine, Kernel, Port, Request, Surface};
use engrad_mil::{Program, read, verify};

use crate::error::BridgeError;
use crate::weights::{self, File};

/// How a caller's bytes lie for a port.
///
/// Rows of a surface begin at multiples of 64 bytes. Programs for the known bridge declare a size for each port and
/// copy as many bytes: the size decides which of both they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One row directly behind the other.
    Packed,
    /// As in the surface, each row followed by its padding, up to this many bytes in all.
    Surface { most: usize },
}

/// A port with its surface.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) port: Port,
    /// The port's name for C.
    pub(crate) name: CString,
    layout: Layout,
    surface: Surface,
}

/// Sizes in bytes that a caller declares for inputs and outputs.
pub(crate) type Sizes<'a> = (&'a [usize], &'a [usize]);

/// A program ready to run.
#[derive(Debug)]
pub(crate) struct BoundKernel {
    pub(crate) inputs: Vec<Bound>,
    pub(crate) outputs: Vec<Bound>,
    request: Request,
    /// Held while it runs.
    turn: Mutex<()>,
}

/// Reads, checks and completes a program: text and weight files to a program without references.
fn program(text: &[u8], files: &[File<'_>]) -> Result<Program, BridgeError> {
    let text = std::str::from_utf8(text)
        .map_err(|e| BridgeError::Text(format!("program text is not UTF-8 at byte {}", e.valid_up_to())))?;
    let reading = read(text);
    let render = |rendered: Vec<String>| BridgeError::Text(rendered.join("\n").trim_end().to_owned());
    if !reading.errors.is_empty() {
        return Err(render(reading.errors.iter().map(|fault| fault.render("program", text)).collect()));
    }
    if let Err(violations) = verify(&reading.program) {
        let places = Some(&reading.source);
        return Err(render(
            violations.0.iter().map(|v| v.diagnostic(places).render("program", text)).collect(),
        ));
    }
    weights::inline(&reading.program, files)
}

impl BoundKernel {
    /// Compiles a program and makes its surfaces. Without sizes, every port is packed.
    pub(crate) fn compile(
        engine: &dyn Engine,
        text: &[u8],
        files: &[File<'_>],
        sizes: Option<Sizes<'_>>,
    ) -> Result<Self, BridgeError> {
        let kernel = engine.compile(&program(text, files)?)?;
        let (inputs, outputs) = (sizes.map(|s| s.0), sizes.map(|s| s.1));
        let inputs = bind(&kernel, kernel.inputs(), inputs, "input")?;
        let outputs = bind(&kernel, kernel.outputs(), outputs, "output")?;
        let surfaces = |bound: &[Bound]| bound.iter().map(|b| b.surface.clone()).collect();
        let request = kernel.bind(surfaces(&inputs), surfaces(&outputs))?;
        Ok(Self { inputs, outputs, request, turn: Mutex::default() })
    }

    /// Runs the program.
    pub(crate) fn evaluate(&self) -> Result<(), BridgeError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.request.evaluate()?)
    }
}

fn bind(
    kernel: &Arc<dyn Kernel>,
    ports: &[Port],
    sizes: Option<&[usize]>,
    kind: &str,
) -> Result<Vec<Bound>, BridgeError> {
    if let Some(sizes) = sizes.filter(|sizes| sizes.len() != ports.len()) {
        let reason = format!("{} {kind} sizes for a program of {} {kind}s", sizes.len(), ports.len());
        return Err(BridgeError::argument(reason));
    }
    let mut bound = Vec::with_capacity(ports.len());
    for (position, port) in ports.iter().enumerate() {
        let layout = match sizes.and_then(|sizes| sizes.get(position)) {
            None => Layout::Packed,
            Some(&size) if size == packed_bytes(port) => Layout::Packed,
            Some(&size) if size >= port.bytes() => Layout::Surface { most: size },
            Some(&size) => {
                return Err(BridgeError::argument(format!(
                    "{kind} {position} `{}` of {} has {} bytes, or {} with rows padded to {}; {size} are declared",
                    port.name,
                    port.ty,
                    packed_bytes(port),
                    port.bytes(),
                    port.row_stride,
                )));
            }
        };
        let name = CString::new(port.name.as_str())
            .map_err(|_| BridgeError::argument(format!("the name of {kind} {position} has a zero byte")))?;
        bound.push(Bound { port: port.clone(), name, layout, surface: kernel.surface(port)? });
    }
    Ok(bound)
}

/// Bytes of a port's elements without padding.
pub(crate) fn packed_bytes(port: &Port) -> usize {
    port.rows() * row_bytes(port)
}

fn row_bytes(port: &Port) -> usize {
    port.width() * port.ty.dtype.size()
}

impl Bound {
    /// Copies a caller's bytes to the surface.
    pub(crate) fn write(&self, data: &[u8]) -> Result<(), BridgeError> {
        self.check(data.len())?;
        let mut guard = self.surface.write();
        let surface = guard.bytes_mut();
        match self.layout {
            Layout::Packed => self.rows(data.chunks_exact(row_bytes(&self.port).max(1)), |row, at| {
                if let Some(to) = surface.get_mut(at..at + row.len()) {
                    to.copy_from_slice(row);
                }
            }),
            Layout::Surface { .. } => {
                // What the program does not read is not kept.
                for (to, from) in surface.iter_mut().zip(data) {
                    *to = *from;
                }
            }
        }
        Ok(())
    }

    /// Copies the surface to a caller's bytes.
    pub(crate) fn read(&self, data: &mut [u8]) -> Result<(), BridgeError> {
        self.check(data.len())?;
        let guard = self.surface.read();
        let surface = guard.bytes();
        match self.layout {
            Layout::Packed => self.rows(data.chunks_exact_mut(row_bytes(&self.port).max(1)), |row, at| {
                if let Some(from) = surface.get(at..at + row.len()) {
                    row.copy_from_slice(from);
                }
            }),
            Layout::Surface { .. } => {
                let (kept, rest) = data.split_at_mut(data.len().min(surface.len()));
                kept.copy_from_slice(&surface[..kept.len()]);
                rest.fill(0);
            }
        }
        Ok(())
    }

    fn rows<T>(&self, rows: impl Iterator<Item = T>, mut copy: impl FnMut(T, usize)) {
        for (position, row) in rows.enumerate() {
            copy(row, position * self.port.row_stride);
        }
    }

    fn check(&self, bytes: usize) -> Result<(), BridgeError> {
        let (least, most) = match self.layout {
            Layout::Packed => (packed_bytes(&self.port), packed_bytes(&self.port)),
            Layout::Surface { most } => (self.port.bytes(), most),
        };
        if (least..=most).contains(&bytes) {
            return Ok(());
        }
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let reason =
            format!("{bytes} bytes for port `{}` of {}; it takes {wanted}", self.port.name, self.port.ty);
        Err(BridgeError::argument(reason))
    }
}
