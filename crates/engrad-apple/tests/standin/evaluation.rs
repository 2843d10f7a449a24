//! Programs that work.

use engrad_apple::{EvaluationPath, Options};
use engrad_engine::{Engine, Surface};

use super::common::{StandIn, bind, engine, options, outputs, program, reference, run, scaled};

#[test]
fn a_program_gives_the_bits_of_the_virtual_engine_and_leaves_nothing() {
    let standin = StandIn::new();
    let apple = engine(options());
    let expected = run(reference().as_ref(), &program());
    assert!(expected.iter().all(|(_, bits)| bits.iter().any(|&b| b != 0)));
    assert_eq!(run(&apple, &program()), expected);
    assert_eq!((standin.calls("compile"), standin.calls("evaluate")), (1, 1));
    standin.assert_nothing_left();
}
