//! The data files agree with each other and with the rules.

use std::collections::HashSet;

use engrad_target::{Chip, Fact, Family, Support, chips, facts, op_table, routes, rules, sources};

fn assert_fact(id: &str, user: &str) {
    assert!(Fact::with_id(id).is_some(), "{user} rests on the fact {id}, which does not exist");
}

#[test]
fn fact_ids_are_unique_and_well_formed() {
    let mut seen = HashSet::new();
    for fact in facts() {
        let (letter, number) = fact.id.split_at(1);
        assert!(letter.chars().all(|c| c.is_ascii_uppercase()) && number.len() == 2, "{}", fact.id);
        assert!(number.parse::<u8>().is_ok(), "{}", fact.id);
        assert!(seen.insert(&fact.id), "{} twice", fact.id);
    }
}

#[test]
fn facts_name_known_sources_and_routes_and_say_something() {
    for fact in facts() {
        assert!(!fact.sources.is_empty(), "{} has no source", fact.id);
        for tag in &fact.sources {
            assert!(sources().iter().any(|source| source.tag == *tag), "{}: {tag}", fact.id);
        }
        for letter in &fact.routes {
            assert!(routes().iter().any(|route| route.letter == *letter), "{}: {letter}", fact.id);
        }
        assert!(fact.statement.ends_with('.') && fact.statement.len() > 20, "{}", fact.id);
        assert!(fact.advice.as_ref().is_none_or(|advice| advice.ends_with('.')), "{}", fact.id);
        assert!(fact.contradicted.as_ref().is_none_or(|text| !text.ends_with('.')), "{}", fact.id);
    }
}

#[test]
fn every_source_and_route_is_used() {
    for source in sources() {
        assert!(facts().iter().any(|fact| fact.sources.contains(&source.tag)), "{}", source.tag);
    }
    for route in routes() {
        assert!(facts().iter().any(|fact| fact.routes.contains(&route.letter)), "{}", route.letter);
    }
}

#[test]
fn rules_rest_on_facts_with_advice() {
    for rule in rules() {
        assert_fact(rule.fact, rule.code);
        assert!(
            Fact::with_id(rule.fact)
                .is_some_and(|fact| fact.advice.is_some() || rule.code.starts_with("T030")),
            "{}",
            rule.code
        );
    }
}

#[test]
fn rule_codes_are_unique_and_ascend() {
    let codes: Vec<&str> = rules().iter().map(|rule| rule.code).collect();
    assert!(codes.is_sorted());
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
    assert!(codes.iter().all(|code| code.len() == 5 && code.starts_with('T')));
}

#[test]
fn operations_have_one_row_with_a_fact() {
    let mut seen = HashSet::new();
    for row in op_table() {
        assert_fact(&row.fact, &row.ops.join(", "));
        for op in &row.ops {
            assert!(seen.insert(op), "{op} has two rows");
        }
        for family in Family::ALL {
            if row.on(family) == Support::Limited {
                assert!(row.note.is_some(), "{}: limited without saying how", row.ops.join(", "));
            }
            if matches!(row.on(family), Support::Refused | Support::Unknown) {
                let advice =
                    row.advice.as_ref().or(Fact::with_id(&row.fact).and_then(|fact| fact.advice.as_ref()));
                assert!(advice.is_some(), "{}: no advice", row.ops.join(", "));
            }
        }
    }
}

#[test]
fn the_table_names_every_operation_of_the_language() {
    for op in engrad_mil::Op::all().filter(|op| op.name() != "const") {
        assert!(engrad_target::op_support(op.name()).is_some(), "{} has no row in ops.toml", op.name());
    }
}

#[test]
fn required_and_constant_arguments_are_arguments_of_the_operation() {
    for row in op_table() {
        for name in row.required.iter().chain(&row.constant) {
            let infos = || row.ops.iter().filter_map(|op| engrad_mil::Op::from_name(op)).map(|op| op.info());
            let described = infos().filter(|info| !info.arguments.is_empty());
            assert!(
                described.clone().count() == 0 || described.clone().any(|info| info.argument(name).is_some()),
                "{}: no argument {name}",
                row.ops.join(", ")
            );
        }
    }
}

#[test]
fn chips_have_a_rule_for_every_element_type_of_the_language() {
    for chip in chips() {
        for dtype in engrad_mil::DType::all() {
            let rule = chip.type_rule(dtype.name());
            assert_eq!(rule.map(|rule| rule.bits), Some(dtype.bits() as u64), "{dtype} on {}", chip.name);
        }
    }
}

#[test]
fn element_types_rest_on_facts() {
    for chip in chips() {
        for (name, rule) in &chip.types {
            assert_fact(&rule.fact, name);
            assert_fact(rule.port_fact(), name);
        }
    }
}

#[test]
fn every_family_has_a_chip_of_its_name_and_parts_differ_only_in_name_size_and_speed() {
    for family in Family::ALL {
        let base = Chip::named(family.name()).unwrap();
        assert_eq!(base.family, family);
        for part in chips().iter().filter(|chip| chip.family == family) {
            let same = Chip {
                name: base.name.clone(),
                marketing: base.marketing.clone(),
                cores: base.cores,
                clock_ghz: base.clock_ghz,
                cost: base.cost.clone(),
                ..part.clone()
            };
            assert_eq!(&same, base, "{}", part.name);
        }
    }
}

#[test]
fn chips_are_found_by_architecture_and_product_in_any_spelling() {
    for (name, found) in [
        ("h16", "h16"),
        ("m4", "h16"),
        ("M4 Max", "h16g"),
        ("m5-pro", "h17s"),
        ("M1_Ultra", "h13g"),
        ("H17D", "h17d"),
        ("m6", "h18"),
    ] {
        assert_eq!(Chip::named(name).map(|chip| chip.name.as_str()), Ok(found), "{name}");
    }
}

#[test]
fn names_and_products_are_unique() {
    let mut seen = HashSet::new();
    for chip in chips() {
        for name in chip.marketing.iter().chain([&chip.name]) {
            assert!(seen.insert(name), "{name} twice");
        }
    }
}

#[test]
fn an_unknown_chip_is_answered_with_the_known_ones() {
    let error = Chip::named("z80").unwrap_err().to_string();
    assert!(error.starts_with("no chip is called `z80`; known are h13 (M1), h13g (M1 Pro"), "{error}");
}

#[test]
fn limits_never_shrink_from_one_family_to_the_next() {
    for pair in Family::ALL.windows(2) {
        let [older, newer] = [pair[0], pair[1]].map(|family| &Chip::named(family.name()).unwrap().limits);
        for (what, old, new) in [
            ("width", older.width, newer.width),
            ("height", older.height, newer.height),
            ("contraction", older.contraction, newer.contraction),
            ("kernel", older.conv_kernel_width, newer.conv_kernel_width),
            ("pool", older.pool_window, newer.pool_window),
        ] {
            assert!(old <= new, "{what} of {:?}", pair);
        }
    }
}

#[test]
fn surfaces_have_padded_rows_and_a_least_size() {
    let surface = &Chip::named("h16").unwrap().surface;
    assert_eq!(surface.row_stride(1, 16), 64);
    assert_eq!(surface.row_stride(33, 16), 128);
    assert_eq!(surface.bytes(&[1, 4, 1, 4], 16), 16384);
    assert_eq!(surface.bytes(&[1, 768, 1, 1], 16), 49152);
    assert_eq!(surface.bytes(&[u64::MAX, u64::MAX], 32), u64::MAX);
}
