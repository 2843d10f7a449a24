use smallvec::SmallVec;

use crate::Request;
use crate::hold::Hold;

/// The memory of a request's surfaces, for an engine that computes on the host: inputs to read, outputs to write, all of
/// them held ([`Request::hold`]) and locked for the host until this is dropped.
#[derive(Debug)]
pub struct HostAccess<'a> {
    inputs: Blocks,
    outputs: Blocks,
    hold: Hold<'a>,
}

/// Addresses and sizes; programs seldom have more ports.
type Blocks = SmallVec<[(*mut u8, usize); 16]>;

// SAFETY: what the addresses point to is held, inputs are given out as shared slices and outputs as addresses.
unsafe impl Sync for HostAccess<'_> {}

impl HostAccess<'_> {
    /// The bytes of an input's surface; none if there is no such input.
    pub fn input(&self, position: usize) -> &[u8] {
        // SAFETY: mapped and initialised while held, and written by nobody.
        self.inputs
            .get(position)
            .map_or(&[], |&(address, bytes)| unsafe { std::slice::from_raw_parts(address, bytes) })
    }

    /// Where an output's surface is, and how many bytes it has: the holder's alone. No bytes if there is no such output.
    pub fn output(&self, position: usize) -> (*mut u8, usize) {
        self.outputs.get(position).copied().unwrap_or((std::ptr::dangling_mut(), 0))
    }
}

impl Drop for HostAccess<'_> {
    fn drop(&mut self) {
        self.hold.each(|memory, write| memory.unlock(write));
    }
}

impl Request {
    /// As [`Request::hold`], with the memory made the host's.
    pub fn access(&self) -> HostAccess<'_> {
        let hold = self.hold();
        let mut held = Blocks::new();
        hold.each(|memory, write| held.push(memory.lock(write)));
        let mut inputs = Blocks::new();
        let mut fresh = held.into_iter();
        for (position, surface) in self.inputs().iter().enumerate() {
            let before = self.inputs()[..position].iter().position(|other| other.is_same(surface));
            inputs.extend(before.map_or_else(|| fresh.next(), |before| Some(inputs[before])));
        }
        HostAccess { inputs, outputs: fresh.collect(), hold }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engrad_mil::{DType, TensorType};

    use crate::{EngineError, Kernel, Port, Request, Surface};

    #[derive(Debug)]
    struct Ports(Vec<Port>, Vec<Port>);

    impl Kernel for Ports {
        fn inputs(&self) -> &[Port] {
            &self.0
        }

        fn outputs(&self) -> &[Port] {
            &self.1
        }

        fn evaluate(&self, _: &Request) -> Result<(), EngineError> {
            Ok(())
        }
    }

    #[test]
    fn inputs_on_one_surface_and_outputs_keep_their_order() {
        let port = |name: &str| Port::new(name, TensorType::channels(DType::Fp16, 4, 32));
        let kernel: Arc<dyn Kernel> =
            Arc::new(Ports(vec![port("a"), port("b"), port("c")], vec![port("y"), port("z")]));
        let [one, two, y, z] = [1, 2, 3, 4].map(|fill| {
            let surface = Surface::for_port(&port("any")).unwrap();
            surface.write().bytes_mut().fill(fill);
            surface
        });
        let inputs = vec![one.clone(), two, one.clone()];
        let request = kernel.bind(inputs, vec![y.clone(), z]).unwrap();
        let access = request.access();
        assert_eq!([0, 1, 2, 3].map(|i| access.input(i).first().copied()), [Some(1), Some(2), Some(1), None]);
        // SAFETY: outputs are ours while held.
        assert_eq!([0, 1].map(|i| unsafe { *access.output(i).0 }), [3, 4]);
        assert_eq!(access.output(2).1, 0);
        assert_eq!(one.read().bytes()[0], 1, "the host may read inputs meanwhile");
        let before = y.generation();
        drop(access);
        assert_eq!(y.generation(), before, "the hold counted as writing when it began");
        y.write().bytes_mut().fill(0);
    }
}
