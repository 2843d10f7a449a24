//! Where values stand while a function is lowered: buffers, places in concatenations, constants, ports.

use std::cmp::Reverse;

use engrad_mil::{Constant, ConstantData, ValueId};

use super::arithmetic::is_dense;
use super::lower::Lowering;
use super::targets::Target;
use super::{Base, Step, View};
use crate::kernels::ports::Load;
use crate::layout::{Layout, MAX_RANK};

impl Lowering<'_> {
    pub(super) fn buffer(&mut self, words: usize) -> Base {
        self.buffers.push(words);
        Base::Buffer(self.buffers.len() - 1)
    }

    pub(super) fn dense(&mut self, shape: &[usize]) -> View {
        let layout = Layout::dense(shape);
        View { base: self.buffer(layout.elements()), layout }
    }

    /// The buffer of an outermost concatenation, made when its first part is computed.
    pub(super) fn root(&mut self, root: ValueId) -> Base {
        let buffer = match self.roots.get(&root) {
            Some(&buffer) => buffer,
            None => {
                self.buffers.push(self.function.ty(root).elements());
                self.roots.insert(root, self.buffers.len() - 1);
                self.buffers.len() - 1
            }
        };
        Base::Buffer(buffer)
    }

    /// Where to compute a value: its place in a concatenation, if `accept` likes its layout, or a buffer of its own.
    pub(super) fn destination(&mut self, id: ValueId, accept: impl Fn(&Layout) -> bool) -> View {
        match self.targets[id.index()] {
            Some(Target { root, layout }) if accept(&layout) => View { base: self.root(root), layout },
            _ => {
                let function = self.function;
                self.dense(&function.ty(id).shape)
            }
        }
    }

    /// Where a value stands, computing it now if it waits in a group.
    pub(super) fn view(&mut self, id: ValueId) -> Result<View, String> {
        if let Some(group) = self.groups.iter().position(|g| g.defines(id)) {
            self.flush(group);
        }
        if let Some(view) = self.bound.get(&id) {
            return Ok(*view);
        }
        if let Some(view) = self.reshapes.remove(&id) {
            let from = self.in_memory(view);
            let function = self.function;
            let to = self.dense(&function.ty(id).shape);
            self.copy(from, to);
            self.bound.insert(id, to);
            return Ok(to);
        }
        let constant = self.function.constant(id);
        let name = &self.function.value(id).name;
        let constant = constant.ok_or_else(|| format!("`{name}` is used before it is computed"))?;
        let view = self.constant(constant).map_err(|reason| format!("constant `{name}`: {reason}"))?;
        self.bound.insert(id, view);
        Ok(view)
    }

    pub(super) fn constant(&mut self, constant: &Constant) -> Result<View, String> {
        if constant.ty.rank() > MAX_RANK || constant.ty.elements() == 0 {
            return Err(format!("{} has no place in a plan", constant.ty));
        }
        let start = self.plan.constants.len();
        match &constant.data {
            ConstantData::Fp16(values) => self.plan.constants.extend(values.iter().map(|v| v.to_f32())),
            ConstantData::Fp32(values) => self.plan.constants.extend(values),
            ConstantData::Blob { path, .. } => {
                return Err(format!("is in the blob file {path}; make it inline first"));
            }
            _ => return Err(format!("{} is not a floating-point tensor", constant.ty)),
        }
        if self.plan.constants.len() - start != constant.ty.elements() {
            return Err(format!("its data does not fill {}", constant.ty));
        }
        Ok(self.constant_view(start, &constant.ty.shape))
    }

    pub(super) fn constant_view(&self, start: usize, shape: &[usize]) -> View {
        let layout = Layout::dense(shape).at(start);
        View { base: Base::Constants, layout }
    }

    /// As [`Lowering::view`], with ports loaded to working memory.
    pub(super) fn memory(&mut self, id: ValueId) -> Result<View, String> {
        let view = self.view(id)?;
        Ok(self.in_memory(view))
    }

    pub(super) fn in_memory(&mut self, view: View) -> View {
        let Base::Port(position) = view.base else {
            return view;
        };
        let port = &self.plan.inputs[position];
        let shape = port.ty.shape.clone();
        let total = port.ty.elements();
        let whole = View { base: view.base, layout: Layout::dense(&shape) };
        // A small part of an unpadded port is loaded alone; otherwise the port is loaded once, for everyone.
        if is_dense(port) && view.layout.elements() < total / 2 && !self.loaded.contains_key(&whole) {
            // In the order of memory, whatever the order of the view.
            let strides = view.layout.strides();
            let mut order: Vec<usize> = (0..strides.len()).collect();
            order.sort_by_key(|&i| Reverse(strides[i]));
            let mut back = vec![0; order.len()];
            order.iter().enumerate().for_each(|(i, &from)| back[from] = i);
            let sorted = View { layout: view.layout.permute(&order), ..view };
            let loaded = self.load(position, sorted.layout, sorted);
            return View { layout: loaded.layout.permute(&back), ..loaded };
        }
        let layout = Layout::rows(&shape, port.stride_elements());
        let loaded = self.load(position, layout, whole);
        View { base: loaded.base, ..view }
    }

    /// Loads `source`, in elements of the port's surface, once; `key` names it among the loaded views.
    pub(super) fn load(&mut self, port: usize, source: Layout, key: View) -> View {
        if let Some(view) = self.loaded.get(&key) {
            return *view;
        }
        let target = self.dense(key.layout.shape());
        let source = View { base: Base::Port(port), layout: source.collapse() };
        self.steps.push(Step::Load(Load { port, source, target }));
        self.loaded.insert(key, target);
        target
    }
}
