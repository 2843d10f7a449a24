use std::collections::HashMap;

use crate::text::is_identifier;
use crate::{Definition, Function, MilError, Operation, Type, Value, ValueId};

/// Makes a function from parts that another form of the language already names and types: nothing is inferred or
/// checked but names. [`crate::verify()`] is for the rest.
#[derive(Debug)]
pub struct Assembler {
    function: Function,
    /// Handles by the names of the other form.
    handles: HashMap<String, ValueId>,
    /// Names of values.
    names: HashMap<String, u32>,
}

impl Assembler {
    /// An empty function.
    pub fn new(name: &str, opset: &str) -> Self {
        Self { function: Function::empty(name, opset), handles: HashMap::new(), names: HashMap::new() }
    }

    /// Sets a name of the other form aside for the value that will bear it. Names set aside stay as they are if they are
    /// identifiers; all others are made unique beside them.
    pub fn reserve(&mut self, name: &str) {
        if is_identifier(name) {
            self.names.entry(name.to_owned()).or_insert(1);
        }
    }

    /// A parameter. All come before the first operation.
    ///
    /// # Errors
    /// [`MilError::Function`] if a value bears the name, or there is an operation.
    pub fn input(&mut self, name: &str, ty: Type) -> Result<ValueId, MilError> {
        if !self.function.ops.is_empty() {
            return Err(self.fault(format!("input `{}` comes after an operation", name.escape_debug())));
        }
        let definition = Definition::Input(self.function.inputs.len());
        let id = self.define(name, ty, definition)?;
        self.function.inputs.push(id);
        Ok(id)
    }

    /// An operation whose operands are handles of this function; its results are those given here.
    ///
    /// # Errors
    /// [`MilError::Function`] if a value bears one of the names, or an operand is not of this function.
    pub fn operation(&mut self, mut operation: Operation, results: &[(&str, Type)]) -> Result<(), MilError> {
        if let Some(id) = operation.operands().find(|id| id.index() >= self.function.values.len()) {
            return Err(self.fault(format!("value number {} is not defined", id.index())));
        }
        operation.results.clear();
        for (result, (name, ty)) in results.iter().enumerate() {
            let definition = Definition::Result { op: self.function.ops.len(), result };
            operation.results.push(self.define(name, ty.clone(), definition)?);
        }
        self.function.ops.push(operation);
        Ok(())
    }

    /// An operation of one result under a new name, which no name of the other form refers to.
    ///
    /// # Errors
    /// As for [`Assembler::operation`].
    pub fn unnamed(&mut self, mut operation: Operation, wanted: &str, ty: Type) -> Result<ValueId, MilError> {
        let name = self.unique(wanted);
        let definition = Definition::Result { op: self.function.ops.len(), result: 0 };
        let id = self.function.push_value(Value { name, ty, definition }, definition);
        operation.results = vec![id];
        self.function.ops.push(operation);
        Ok(id)
    }

    /// The value that bears a name of the other form.
    ///
    /// # Errors
    /// [`MilError::Function`] if there is none so far.
    pub fn resolve(&self, name: &str) -> Result<ValueId, MilError> {
        let found = self.handles.get(name).copied();
        found.ok_or_else(|| self.fault(format!("`{}` is not defined before its use", name.escape_debug())))
    }

    /// The function.
    ///
    /// # Errors
    /// [`MilError::Function`] if an output is not of this function.
    pub fn finish(mut self, outputs: &[ValueId]) -> Result<Function, MilError> {
        if let Some(id) = outputs.iter().find(|id| id.index() >= self.function.values.len()) {
            return Err(self.fault(format!("output number {} is not defined", id.index())));
        }
        self.function.outputs = outputs.to_vec();
        Ok(self.function)
    }

    fn fault(&self, reason: String) -> MilError {
        MilError::Function { function: self.function.name.clone(), reason }
    }

    fn define(&mut self, name: &str, ty: Type, definition: Definition) -> Result<ValueId, MilError> {
        if self.handles.contains_key(name) {
            return Err(self.fault(format!("`{}` is defined twice", name.escape_debug())));
        }
        let identifier = if is_identifier(name) { name.to_owned() } else { self.unique(name) };
        self.names.entry(identifier.clone()).or_insert(1);
        let id = self.function.push_value(Value { name: identifier, ty, definition }, definition);
        self.handles.insert(name.to_owned(), id);
        Ok(id)
    }

    /// An identifier close to `wanted` that no value bears and none is reserved as: other characters become `_`, a number
    /// follows if it is taken.
    fn unique(&mut self, wanted: &str) -> String {
        let wanted = identifier(wanted);
        let mut suffix = self.names.get(&wanted).copied().unwrap_or(0);
        loop {
            suffix += 1;
            let name = if suffix == 1 { wanted.clone() } else { format!("{wanted}_{suffix}") };
            if !self.names.contains_key(&name) {
                self.names.insert(wanted, suffix);
                self.names.entry(name.clone()).or_insert(1);
                return name;
            }
        }
    }
}

/// `name` with `_` for each character that no identifier has, and in front if it would begin with a digit.
pub fn identifier(name: &str) -> String {
    let clean =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '@') { c } else { '_' };
    let name: String = name.chars().map(clean).collect();
    if is_identifier(&name) { name } else { format!("_{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, TensorType};

    #[test]
    fn names_that_are_no_identifiers_are_rewritten_beside_those_that_are() {
        let ty = || Type::Tensor(TensorType::new(DType::Fp16, [1]));
        let mut function = Assembler::new("main", "ios18");
        for name in ["a/b", "a_b", "1", "a:b", ""] {
            function.reserve(name);
        }
        for name in ["a/b", "a_b", "1", "a:b", ""] {
            function.input(name, ty()).unwrap();
        }
        assert!(function.input("a/b", ty()).is_err());
        let output = function.resolve("a:b").unwrap();
        let function = function.finish(&[output]).unwrap();
        let names: Vec<_> = function.values().iter().map(|value| value.name.as_str()).collect();
        assert_eq!(names, ["a_b_2", "a_b", "_1", "a_b_3", "_"]);
        assert_eq!(function.value(output).name, "a_b_3");
    }
}
