use crate::subject::Subject;
use crate::units::{attention, framework, limits, numerics, ports, products, weights};
use crate::verdict::{Outcome, ProbeError, Report, Settled, Verdict};

/// One question to an engine.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// Its name on the command line.
    pub name: &'static str,
    /// A question whose good answer is yes.
    pub question: &'static str,
    /// How it is found out.
    pub method: &'static str,
    /// Facts the answer settles, and the outcome under which each holds; `Inconclusive` for an open question whose answer
    /// is no yes or no, but in the measurements.
    pub facts: &'static [(&'static str, Outcome)],
    /// Whether it asks Apple's private classes.
    pub private: bool,
    /// Whether it uses up something that the process does not get back; such probes run last.
    pub exhausting: bool,
    pub(crate) ask: fn(&Subject<'_>) -> Result<Verdict, ProbeError>,
}

impl Probe {
    /// Asks.
    pub fn run(&self, subject: &Subject<'_>) -> Report {
        let verdict = (self.ask)(subject).unwrap_or_else(|error| error.verdict());
        let told = matches!(verdict.outcome, Outcome::Pass | Outcome::Fail);
        let facts = self.facts.iter().map(|&(id, when)| {
            // Facts of the framework, and open questions, are not answered by an engine that is another thing.
            let elsewhere = subject.apple.is_none() && id.starts_with(['F', 'Q']);
            let told = told && !elsewhere && when != Outcome::Inconclusive;
            Settled { id, holds: told.then_some(verdict.outcome == when) }
        });
        let (engine, facts) = (subject.engine.name().to_owned(), facts.collect());
        Report { probe: self.name, engine, question: self.question, facts, verdict }
    }
}

/// The probe of that name.
pub fn find(name: &str) -> Option<&'static Probe> {
    PROBES.iter().find(|probe| probe.name == name)
}

macro_rules! probes {
    ($( $name:literal: $ask:path, [$($fact:literal $when:ident),*] $($flag:ident)*, $question:literal, $method:literal; )*) => {
        /// Every probe; those that use something up come last.
        pub static PROBES: &[Probe] = &[ $( Probe {
            name: $name,
            question: $question,
            method: $method,
            facts: &[$(($fact, Outcome::$when)),*],
            ask: $ask,
            ..probes!(@flags $($flag)*)
        } ),* ];
    };
    (@flags) => { NONE };
    (@flags private) => { Probe { private: true, ..NONE } };
    (@flags exhausting) => { Probe { exhausting: true, ..NONE } };
}

/// What rows fill in.
const NONE: Probe = Probe {
    name: "",
    question: "",
    method: "",
    facts: &[],
    private: false,
    exhausting: false,
    ask: |_| Err(ProbeError::Unsupported(String::new())),
};

probes! {
    "api-exploration": framework::exploration, ["F02" Pass] private,
        "Does the framework load, with every class, method and type encoding that the engine calls?",
        "Looks up the table of methods in the runtime and compares encodings; lists what is missing or different.";
    "in-memory-basic": framework::in_memory, ["F01" Pass, "F03" Pass, "F04" Pass],
        "Does a program given as text compile in memory, load and run?",
        "y = x + x with a constant added, on [1, 64, 1, 32]; the output is compared.";
    "multi-input-order": ports::order, ["C63" Pass, "Q04" Inconclusive, "S04" Pass],
        "Do three inputs and two outputs arrive where their names say, whatever their order in text, alphabet and size?",
        "Inputs c, a, b and outputs z, y are different sums; a swap of any two changes a result.";
    "multi-input-sizes": ports::sizes, ["S04" Pass, "Q05" Fail],
        "Do inputs of unequal sizes work with surfaces of their own sizes?",
        "Four inputs of 32 to 2048 numbers, added by broadcasting, in ascending and descending order.";
    "surface-minimum": ports::minimum, ["C60" Pass, "F16" Pass],
        "Is a surface smaller than the port refused?",
        "Binds an input surface of half the port's bytes; on Apple's engine also past the check, to see the framework's error.";
    "weight-patch-input": weights::patch_input, ["S04" Pass],
        "Do changed weights take effect without compiling when they are an input?",
        "One kernel, the weight matrix as second input, two evaluations with different weights.";
    "weight-patch-disk": weights::patch_disk, ["C07" Fail] private,
        "Does rewriting a loaded program's weight file change what it computes?",
        "Compiles W1, runs, writes W2 over the file, runs again.";
    "weight-reload": weights::reload, ["C07" Fail, "Q01" Pass] private,
        "Does unloading and loading after rewriting the weight file give the new weights?",
        "Compiles W1, writes W2 over the file, unloads and loads, runs.";
    "weight-patch-buffer": weights::patch_buffer, ["C08" Fail] private,
        "Does a weight file passed as the request's weights buffer replace the compiled weights?",
        "Compiles W1, evaluates with a surface that holds the whole file of W2.";
    "weights-buffer-override": weights::buffer_override, ["C08" Fail] private,
        "Do bare weight elements passed as the request's weights buffer replace the compiled weights?",
        "Compiles W1, evaluates with a surface that holds the elements of W2 alone.";
    "weight-instance": weights::instance, ["Q17" Pass, "F19" Fail] private,
        "Can a loaded model be instantiated with a weight of another file?",
        "Asks the client to load a new instance with a weight for the symbol of the program's weights.";
    "qos-sweep": framework::quality_of_service, ["F06" Pass] private,
        "Does every quality of service from 0 to 63 evaluate, with the same result?",
        "One program, one evaluation each, times measured; the framework's own levels are listed.";
    "performance-statistics": framework::statistics, ["F08" Fail] private,
        "Does an evaluation report the hardware's own time?",
        "Passes a statistics object in the request and reads its execution time; asks for the driver's mask of counters.";
    "procedure-index": framework::procedure, ["F15" Pass] private,
        "Is the procedure index of a request honoured?",
        "A program of one function is evaluated with index 0, which must work, and 1, which must not.";
    "client-direct": framework::client_direct, ["F12" Pass] private,
        "Does the client's direct evaluation work?",
        "Evaluates one program by both paths and compares results and times.";
    "shared-events": framework::shared_events, ["F09" Pass] private,
        "Do the shared-event classes answer as known, without an evaluation that would wait for ever?",
        "Makes an empty set of events for a request; asks the constructors for events of nothing, which must be nil.";
    "chaining": framework::chaining, ["F10" Fail, "Q11" Fail] private,
        "Is a chaining request prepared for a program without entitlements?",
        "Makes buffers, output sets and the request by the working factories, and asks the client to prepare it.";
    "real-time": framework::real_time, ["F11" Fail] private,
        "Does the real-time path load and evaluate?",
        "An engine on that path compiles and runs a small program.";
    "causal-mask-constant": attention::mask_constant, ["C27" Fail, "Q16" Pass],
        "Does fused attention honour a causal mask that is a named constant?",
        "scaled_dot_product_attention of 2 heads, 8 positions; compared with loops, masked and not.";
    "causal-mask-literal": attention::mask_literal, ["C27" Fail, "Q16" Pass],
        "Does fused attention honour a causal mask written in the statement?",
        "As above, the mask an inline literal of 4 positions.";
    "causal-mask-input": attention::mask_input, ["C27" Fail, "Q16" Pass],
        "Does fused attention honour a causal mask that is an input?",
        "As above, the mask a fourth input.";
    "causal-mask-decomposed": attention::mask_decomposed, ["R05" Fail],
        "Does attention written as products, a sum with the mask and softmax mask the future?",
        "matmul, mul, add, softmax, matmul; compared with loops.";
    "grouped-conv-attention": attention::grouped_convolution, ["C31" Fail],
        "Does attention by grouped 1x1 convolutions with computed weights run?",
        "Scores and weighted values as convolutions of 2 groups, keys and values as their weights.";
    "fused-qkv": products::fused_qkv, ["C63" Pass],
        "Do three projections in one program give their results in the order of the function's outputs?",
        "Three products with one activation; outputs q, k, v, which no sorting keeps.";
    "fused-forward": products::fused_forward, ["C23" Fail],
        "Does a whole feed-forward block run with its saved activations joined to the output?",
        "silu(W1 x) * (W3 x), W2 of it, and concat of output and the three activations along the channels.";
    "fused-backward": products::fused_backward, ["C23" Fail],
        "Does the backward pass of that block run on the saved activations?",
        "Slices of one joined input along the channels; cotangents of x and of both gates compared with loops.";
    "dynamic-matmul": products::dynamic, ["C32" Pass],
        "Does a product with weights packed beside the activations along the width run?",
        "Slices of one input [1, 32, 1, 32 + 32], reshape, transpose, matmul, transpose back.";
    "classifier": products::classifier, ["C29" Pass],
        "Does a 1x1 convolution to a vocabulary of 32,000 channels run?",
        "16 features, 8 positions, the weights an input; compared with loops.";
    "vocabulary-softmax": products::vocabulary_softmax, ["C26" Fail],
        "Does softmax run over 32,000 channels, which is no power of two?",
        "Along the channels of [1, 32000, 1, 4]; compared with loops.";
    "rms-norm-backward": products::rms_norm_backward, ["N08" Fail],
        "Does the backward pass of RMSNorm run, also where squares exceed fp16?",
        "dx of 64 features, 32 positions; once with values about 1, once with values about 400.";
    "int8-weights": numerics::int8_weights, ["C48" Fail],
        "Do int8 weights with a scale for each output channel work?",
        "constexpr_affine_dequantize feeds a 1x1 convolution; compared with loops.";
    "int8-activations": numerics::int8_activations, ["N13" Pass],
        "Does quantize round and clamp, and dequantize restore?",
        "quantize with scale 1/8 and dequantize, on values with ties and beyond the range.";
    "cliff-32768": numerics::product_range, ["C66" Fail, "N02" Fail],
        "Do products keep results of 32768 and more?",
        "matmul of 32 terms, results 32736 to 49152.";
    "cliff-4095": numerics::slice_range, ["C64" Fail],
        "Do slices along the width keep magnitudes of 4095 and more?",
        "Slices that begin at 8 and at 0 of values 4094 to 8192.";
    "cliff-2048": numerics::sum_range, ["C68" Fail],
        "Is a sum of small integers exact past 2048?",
        "reduce_sum of 2049 and 3001 ones; fp16 has no odd number there, so the nearest counts as exact.";
    "rounding-ties": numerics::ties, ["N05" Fail, "N06" Pass, "Q09" Inconclusive],
        "Are sums that lie between two fp16 numbers rounded to the even one?",
        "2048 + 1, 2050 + 1, 4096 + 2, 4100 + 2 and their negatives.";
    "activation-tables": numerics::tables, ["N07" Fail, "C71" Fail, "Q15" Fail],
        "Are activations exact to fp16, rather than tables of 33 knots?",
        "sigmoid, tanh, silu, gelu, exp2 and erf on a dense grid; largest differences from f64, and the values at 0.";
    "compile-limit": limits::compiles, ["C01" Fail, "Q03" Fail] exhausting,
        "Can one process compile 140 programs?",
        "Compiles different programs, each unloaded at once, until one is refused.";
}

#[cfg(test)]
mod tests {
    use engrad_target::Fact;

    use super::*;

    #[test]
    fn names_are_unique_and_facts_exist() {
        for (at, probe) in PROBES.iter().enumerate() {
            assert!(PROBES[..at].iter().all(|other| other.name != probe.name), "{}", probe.name);
            for (id, _) in probe.facts {
                assert!(Fact::with_id(id).is_some(), "{}: there is no fact {id}", probe.name);
            }
            assert!(!probe.facts.is_empty() && probe.question.ends_with('?') && probe.method.ends_with('.'));
        }
    }

    #[test]
    fn exhausting_probes_come_last() {
        assert!(PROBES.is_sorted_by_key(|probe| probe.exhausting));
    }
}
