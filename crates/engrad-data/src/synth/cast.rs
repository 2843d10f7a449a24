//! Who and what a story is about: every name a template may use, with its value for this story.

use std::collections::BTreeMap;

use super::Dice;
use super::words::{
    ANIMALS, BOYS, CAKES, COLORS, COUNTED, DAYS, ELDERS, FEARS, FOODS, GIRLS, HERO_ANIMALS, JOBS, LOOKS,
    NUMBERS, PET_NAMES, PLACES, SEASONS, SKILLS, SMALL_THINGS, SPOTS, THINGS, TRAITS, WEATHER,
};

/// The values of one story by name.
///
/// | Names | Value |
/// |---|---|
/// | `h`, `f`, `e` | hero, friend and an older person, with `.he .him .his` each; `h.kind`, `f.kind`: what they are |
/// | `h.trait`, `f.trait` | a quality |
/// | `o`, `o.full`, `o.color`, `o.use`, `o.used`, `o.using` | the thing the story turns on |
/// | `x`, `y`, `z` | three small things, with `.full` |
/// | `n`, `n.sound`, `n.word`, `n.food`, `n.home`, `n.moved`, `n.baby` | an animal |
/// | `p`, `p.at`, `p.to`, `p.sight`; `r…` | two different places |
/// | `s1`, `s2`, `s3` | hiding spots |
/// | `c`, `many`, `some`, `left`, `more`, `sum` | fruits and numbers of them; `left` = `many` − `some`, `sum` = `many` + `more` |
/// | `w`, `w.sky`, `w.wear`, `season`, `day` | weather and time |
/// | `food`, `food2`, `cake`, `fear`, `fear.truth`, `skill`, `skilled`, `mishap`, `job`, `job.tool` | what the names say |
pub(super) struct Cast(BTreeMap<&'static str, String>);

impl Cast {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.insert(name, value.into());
    }
}

/// Draws a cast.
pub(super) fn draw(dice: &mut Dice) -> Cast {
    let mut cast = Cast(BTreeMap::new());
    people(&mut cast, dice);
    things(&mut cast, dice);
    places(&mut cast, dice);
    numbers(&mut cast, dice);
    rest(&mut cast, dice);
    cast
}

fn people(cast: &mut Cast, dice: &mut Dice) {
    let animals = dice.below(3) == 0;
    let [hero, friend] = [person(animals, dice), person(animals, dice)];
    // Two of a name would confuse the reader; the friend then takes the next name of another list.
    let friend = if friend.name == hero.name { Person { name: "Robin", ..friend } } else { friend };
    cast.set("h", hero.name);
    cast.set("h.kind", hero.kind);
    let traits = dice.pick_different(TRAITS, 2);
    cast.set("h.trait", traits[0]);
    cast.set("f", friend.name);
    cast.set("f.kind", friend.kind);
    cast.set("f.trait", traits[1]);
    let (elder, woman) = *dice.pick(ELDERS);
    cast.set("e", elder);
    let pronouns = |woman: bool| {
        if woman { ["she", "her", "her"] } else { ["he", "him", "his"] }
    };
    for (names, female) in [
        (["h.he", "h.him", "h.his"], hero.female),
        (["f.he", "f.him", "f.his"], friend.female),
        (["e.he", "e.him", "e.his"], woman),
    ] {
        for (name, pronoun) in names.into_iter().zip(pronouns(female)) {
            cast.set(name, pronoun);
        }
    }
}

struct Person {
    name: &'static str,
    kind: String,
    female: bool,
}

fn person(animal: bool, dice: &mut Dice) -> Person {
    let female = dice.below(2) == 0;
    if animal {
        let size = ["little", "small", "young"][dice.below(3)];
        let kind = format!("{size} {}", dice.pick(HERO_ANIMALS));
        let name = *dice.pick(PET_NAMES);
        return Person { name, kind, female };
    }
    let kind = if female { "girl" } else { "boy" };
    let size = ["little", "small", "young"][dice.below(3)];
    let name = *dice.pick(if female { GIRLS } else { BOYS });
    Person { name, kind: format!("{size} {kind}"), female }
}

fn things(cast: &mut Cast, dice: &mut Dice) {
    let thing = dice.pick(THINGS);
    let color = dice.pick(COLORS);
    cast.set("o", thing.name);
    cast.set("o.color", *color);
    let full = match dice.below(3) {
        0 => format!("{} {color} {}", dice.pick(LOOKS), thing.name),
        _ => format!("{color} {}", thing.name),
    };
    cast.set("o.full", full);
    cast.set("o.use", thing.use_base);
    cast.set("o.used", thing.use_past);
    cast.set("o.using", thing.use_ing);
    let small = dice.pick_different(SMALL_THINGS, 3);
    let looks: Vec<&str> = dice.pick_different(LOOKS, 3);
    for (index, (name, full)) in [("x", "x.full"), ("y", "y.full"), ("z", "z.full")].into_iter().enumerate() {
        cast.set(name, small[index]);
        cast.set(full, format!("{} {}", looks[index], small[index]));
    }
    let animal = dice.pick(ANIMALS);
    cast.set("n", animal.name);
    cast.set("n.sound", animal.sound);
    cast.set("n.word", animal.word);
    cast.set("n.food", animal.food);
    cast.set("n.home", animal.home);
    cast.set("n.moved", animal.moved);
    cast.set("n.baby", animal.baby);
}

fn places(cast: &mut Cast, dice: &mut Dice) {
    let first = dice.below(PLACES.len());
    let second = (first + 1 + dice.below(PLACES.len() - 1)) % PLACES.len();
    let names = [["p", "p.at", "p.to", "p.sight"], ["r", "r.at", "r.to", "r.sight"]];
    for (names, index) in names.into_iter().zip([first, second]) {
        let place = &PLACES[index];
        for (name, value) in names.into_iter().zip([place.name, place.at, place.to, place.sight]) {
            cast.set(name, value);
        }
    }
    let spots = dice.pick_different(SPOTS, 3);
    for (name, spot) in ["s1", "s2", "s3"].into_iter().zip(spots) {
        cast.set(name, spot);
    }
}

fn numbers(cast: &mut Cast, dice: &mut Dice) {
    cast.set("c", *dice.pick(COUNTED));
    // Each count is at least two, so that plurals are always right.
    let many = 4 + dice.below(4);
    let some = 2 + dice.below(many - 3);
    let more = 2 + dice.below(9 - many);
    for (name, count) in
        [("many", many), ("some", some), ("left", many - some), ("more", more), ("sum", many + more)]
    {
        cast.set(name, NUMBERS[count]);
    }
}

fn rest(cast: &mut Cast, dice: &mut Dice) {
    let (weather, sky, wear) = *dice.pick(WEATHER);
    cast.set("w", weather);
    cast.set("w.sky", sky);
    cast.set("w.wear", wear);
    cast.set("season", *dice.pick(SEASONS));
    cast.set("day", *dice.pick(DAYS));
    let foods = dice.pick_different(FOODS, 2);
    cast.set("food", foods[0]);
    cast.set("food2", foods[1]);
    cast.set("cake", *dice.pick(CAKES));
    let (fear, truth) = *dice.pick(FEARS);
    cast.set("fear", fear);
    cast.set("fear.truth", truth);
    let (skill, skilled, mishap) = *dice.pick(SKILLS);
    cast.set("skill", skill);
    cast.set("skilled", skilled);
    cast.set("mishap", mishap);
    let (job, tool) = *dice.pick(JOBS);
    cast.set("job", job);
    cast.set("job.tool", tool);
}
