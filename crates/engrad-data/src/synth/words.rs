//! The words of the stories' world. Tables hold what belongs together and stays so in every story.

pub(super) const GIRLS: &[&str] = &[
    "Ada", "Alma", "Amy", "Anna", "Bella", "Carla", "Clara", "Daisy", "Dora", "Ella", "Emma", "Eva", "Fay",
    "Flora", "Gina", "Grace", "Greta", "Hana", "Heidi", "Ida", "Iris", "Ivy", "Jane", "Joy", "June", "Kate",
    "Kira", "Lea", "Lena", "Lily", "Lola", "Lucy", "Maya", "Mia", "Mila", "Mina", "Nadia", "Nell", "Nina",
    "Nora", "Olga", "Olive", "Pia", "Poppy", "Rita", "Rosa", "Ruby", "Sally", "Sara", "Tara", "Tess", "Uma",
    "Vera", "Wendy", "Yara", "Zoe",
];

pub(super) const BOYS: &[&str] = &[
    "Adam", "Alan", "Alex", "Anton", "Arlo", "Ben", "Bill", "Bruno", "Carl", "Cody", "Dan", "David", "Eli",
    "Emil", "Eric", "Felix", "Finn", "Fred", "Gus", "Hans", "Henry", "Hugo", "Ian", "Igor", "Jack", "Jake",
    "Jim", "Joe", "John", "Karl", "Kim", "Kurt", "Leo", "Liam", "Luke", "Marco", "Mark", "Max", "Milo",
    "Nate", "Nick", "Noah", "Omar", "Oscar", "Otto", "Paul", "Pete", "Ray", "Rob", "Sam", "Simon", "Theo",
    "Tim", "Tom", "Victor", "Will",
];

/// Names for animals that are heroes.
pub(super) const PET_NAMES: &[&str] = &[
    "Pip", "Dot", "Bounce", "Button", "Fern", "Pepper", "Biscuit", "Clover", "Fuzzy", "Hazel", "Mango",
    "Nibbles", "Peanut", "Pebble", "Puff", "Sunny", "Tiny", "Toffee", "Whiskers", "Ziggy", "Acorn",
    "Bubbles", "Cocoa", "Maple",
];

/// (name, with its own article or title; whether a woman)
pub(super) const ELDERS: &[(&str, bool)] = &[
    ("Mom", true),
    ("Dad", false),
    ("Grandma", true),
    ("Grandpa", false),
    ("Aunt May", true),
    ("Aunt Ruth", true),
    ("Uncle Bob", false),
    ("Uncle Ned", false),
    ("Mrs. Hill", true),
    ("Mr. Brook", false),
    ("Miss Penny", true),
    ("Mr. Stone", false),
];

/// An animal and what is always true of it.
pub(super) struct Animal {
    pub(super) name: &'static str,
    /// What it did with its voice.
    pub(super) sound: &'static str,
    pub(super) word: &'static str,
    pub(super) food: &'static str,
    /// Where it lives, after "in" or "under".
    pub(super) home: &'static str,
    /// How it moved away.
    pub(super) moved: &'static str,
    pub(super) baby: &'static str,
}

const fn animal(
    name: &'static str,
    sound: &'static str,
    word: &'static str,
    food: &'static str,
    home: &'static str,
    moved: &'static str,
    baby: &'static str,
) -> Animal {
    Animal { name, sound, word, food, home, moved, baby }
}

pub(super) const ANIMALS: &[Animal] = &[
    animal("duck", "quacked", "Quack", "bread", "in the reeds by the pond", "waddled away", "duckling"),
    animal("dog", "barked", "Woof", "bones", "in a wooden dog house", "ran off with a wagging tail", "puppy"),
    animal("cat", "meowed", "Meow", "milk", "in a basket by the stove", "walked off on soft feet", "kitten"),
    animal("cow", "mooed", "Moo", "grass", "in the red barn", "trotted away", "calf"),
    animal("sheep", "bleated", "Baa", "clover", "on the green hill", "skipped away", "lamb"),
    animal("horse", "neighed", "Neigh", "hay", "in the old stable", "galloped away", "foal"),
    animal("frog", "croaked", "Ribbit", "flies", "under a lily leaf", "hopped away", "tadpole"),
    animal("owl", "hooted", "Hoo", "berries", "in a hollow tree", "flew off without a sound", "owlet"),
    animal("mouse", "squeaked", "Squeak", "cheese", "in a hole in the wall", "scurried away", "little mouse"),
    animal("pig", "oinked", "Oink", "corn", "in the muddy pen", "trotted off on short legs", "piglet"),
    animal("hen", "clucked", "Cluck", "seeds", "in the hen house", "strutted away", "chick"),
    animal("bee", "buzzed", "Bzz", "honey", "in a yellow hive", "flew off in a zigzag", "baby bee"),
    animal("lion", "roared", "Roar", "meat", "in a rocky cave", "walked off proudly", "cub"),
    animal("bear", "growled", "Grr", "fish", "in a dark cave", "stomped away", "cub"),
    animal(
        "squirrel",
        "chattered",
        "Chit chit",
        "nuts",
        "in the top of an oak tree",
        "raced up a tree",
        "kit",
    ),
    animal("goat", "bleated", "Meh", "leaves", "in a pen behind the farm", "climbed over the rocks", "kid"),
    animal(
        "donkey",
        "brayed",
        "Hee-haw",
        "carrots",
        "in a shed by the mill",
        "trotted down the lane",
        "foal",
    ),
    animal("bird", "chirped", "Tweet", "worms", "in a nest of straw", "flew up into the sky", "baby bird"),
    animal(
        "monkey",
        "screeched",
        "Ooh ooh",
        "bananas",
        "in the tall palm trees",
        "swung from branch to branch",
        "baby",
    ),
    animal("elephant", "trumpeted", "Toot", "melons", "by the wide river", "marched away", "calf"),
    animal("turtle", "hummed", "Hmm", "lettuce", "under a flat stone", "crept away slowly", "hatchling"),
    animal(
        "hedgehog",
        "sniffed",
        "Snuff",
        "apples",
        "under a pile of leaves",
        "rolled away",
        "little hedgehog",
    ),
];

/// Animals that may be the hero of a story.
pub(super) const HERO_ANIMALS: &[&str] = &[
    "rabbit", "fox", "bear cub", "kitten", "puppy", "mouse", "squirrel", "owl", "duckling", "turtle", "frog",
    "hedgehog", "lamb", "piglet", "badger", "beaver", "pony", "raccoon", "penguin", "deer",
];

/// A toy or a tool with what one does with it: base form, past tense, -ing form.
pub(super) struct Thing {
    pub(super) name: &'static str,
    pub(super) use_base: &'static str,
    pub(super) use_past: &'static str,
    pub(super) use_ing: &'static str,
}

const fn thing(
    name: &'static str,
    use_base: &'static str,
    use_past: &'static str,
    use_ing: &'static str,
) -> Thing {
    Thing { name, use_base, use_past, use_ing }
}

pub(super) const THINGS: &[Thing] = &[
    thing("kite", "fly the kite", "flew the kite", "flying the kite"),
    thing("ball", "throw the ball", "threw the ball", "throwing the ball"),
    thing("drum", "play the drum", "played the drum", "playing the drum"),
    thing("boat", "sail the boat", "sailed the boat", "sailing the boat"),
    thing("bike", "ride the bike", "rode the bike", "riding the bike"),
    thing("doll", "dress the doll", "dressed the doll", "dressing the doll"),
    thing("train", "push the train", "pushed the train", "pushing the train"),
    thing("hat", "wear the hat", "wore the hat", "wearing the hat"),
    thing("scarf", "wear the scarf", "wore the scarf", "wearing the scarf"),
    thing("book", "read the book", "read the book", "reading the book"),
    thing("flute", "play the flute", "played the flute", "playing the flute"),
    thing("rope", "jump over the rope", "jumped over the rope", "jumping over the rope"),
    thing("wagon", "pull the wagon", "pulled the wagon", "pulling the wagon"),
    thing("sled", "ride the sled", "rode the sled", "riding the sled"),
    thing("lamp", "light the lamp", "lit the lamp", "lighting the lamp"),
    thing("bell", "ring the bell", "rang the bell", "ringing the bell"),
    thing("basket", "fill the basket", "filled the basket", "filling the basket"),
    thing("shovel", "dig with the shovel", "dug with the shovel", "digging with the shovel"),
    thing("puzzle", "solve the puzzle", "solved the puzzle", "solving the puzzle"),
    thing("robot", "wind up the robot", "wound up the robot", "winding up the robot"),
    thing("teddy bear", "hug the teddy bear", "hugged the teddy bear", "hugging the teddy bear"),
    thing("blanket", "sit on the blanket", "sat on the blanket", "sitting on the blanket"),
    thing("umbrella", "open the umbrella", "opened the umbrella", "opening the umbrella"),
    thing("whistle", "blow the whistle", "blew the whistle", "blowing the whistle"),
    thing("mirror", "look into the mirror", "looked into the mirror", "looking into the mirror"),
    thing(
        "paint box",
        "paint with the paint box",
        "painted with the paint box",
        "painting with the paint box",
    ),
    thing("top", "spin the top", "spun the top", "spinning the top"),
    thing("cup", "drink from the cup", "drank from the cup", "drinking from the cup"),
    thing("swing", "sit on the swing", "sat on the swing", "sitting on the swing"),
    thing("truck", "load the truck", "loaded the truck", "loading the truck"),
    thing("guitar", "play the guitar", "played the guitar", "playing the guitar"),
    thing("balloon", "hold the balloon", "held the balloon", "holding the balloon"),
    thing("crown", "wear the crown", "wore the crown", "wearing the crown"),
    thing("box", "open the box", "opened the box", "opening the box"),
    thing("map", "study the map", "studied the map", "studying the map"),
    thing("clock", "wind the clock", "wound the clock", "winding the clock"),
];

/// Small things that are collected or traded.
pub(super) const SMALL_THINGS: &[&str] = &[
    "button",
    "feather",
    "shell",
    "marble",
    "coin",
    "ribbon",
    "pencil",
    "key",
    "leaf",
    "acorn",
    "stone",
    "candle",
    "spoon",
    "stamp",
    "ring",
    "flower",
    "bead",
    "cork",
    "nut",
    "star sticker",
    "string",
    "bottle",
    "wheel",
    "magnet",
];

pub(super) const COLORS: &[&str] = &[
    "red", "blue", "green", "yellow", "purple", "orange", "pink", "white", "black", "brown", "silver",
    "golden",
];

pub(super) const LOOKS: &[&str] = &[
    "big", "small", "shiny", "old", "new", "soft", "round", "pretty", "tiny", "long", "striped", "wooden",
    "bright", "heavy", "smooth", "dusty", "fancy", "funny", "plain", "sparkly",
];

pub(super) const TRAITS: &[&str] = &[
    "kind", "brave", "shy", "clever", "curious", "cheerful", "quiet", "careful", "stubborn", "gentle",
    "proud", "busy", "friendly", "silly", "patient", "lazy", "helpful", "playful", "merry", "lively",
];

/// A place: how one is there, how one goes there, something seen there.
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) at: &'static str,
    pub(super) to: &'static str,
    pub(super) sight: &'static str,
}

const fn place(name: &'static str, at: &'static str, to: &'static str, sight: &'static str) -> Place {
    Place { name, at, to, sight }
}

pub(super) const PLACES: &[Place] = &[
    place("park", "in the park", "to the park", "children on the slide"),
    place("forest", "in the forest", "into the forest", "tall trees and soft moss"),
    place("beach", "on the beach", "to the beach", "waves and white sand"),
    place("farm", "on the farm", "to the farm", "a tractor in the field"),
    place("garden", "in the garden", "into the garden", "bees on the flowers"),
    place("river", "by the river", "to the river", "fish in the clear water"),
    place("hill", "on the hill", "up the hill", "the whole village below"),
    place("market", "at the market", "to the market", "carts full of fruit"),
    place("library", "in the library", "to the library", "shelves up to the ceiling"),
    place("school", "at school", "to school", "drawings on the wall"),
    place("lake", "by the lake", "to the lake", "boats on the water"),
    place("zoo", "at the zoo", "to the zoo", "a giraffe behind the fence"),
    place("village", "in the village", "to the village", "smoke over the roofs"),
    place("meadow", "in the meadow", "to the meadow", "butterflies in the grass"),
    place("attic", "in the attic", "up to the attic", "trunks and old chairs"),
    place("harbor", "at the harbor", "down to the harbor", "ships with tall masts"),
    place("orchard", "in the orchard", "to the orchard", "apples on every branch"),
    place("playground", "on the playground", "to the playground", "a tower of ropes"),
    place("mountain", "on the mountain", "up the mountain", "snow on the peaks"),
    place("castle", "in the old castle", "to the old castle", "ivy on the towers"),
];

/// Where a lost thing may be, after "was".
pub(super) const SPOTS: &[&str] = &[
    "under the bed",
    "behind the door",
    "in the tall grass",
    "under a bench",
    "in the toy box",
    "on top of the shelf",
    "behind the big tree",
    "under the stairs",
    "in the wheelbarrow",
    "between two rocks",
    "in the kitchen drawer",
    "under a pile of leaves",
    "behind the curtain",
    "in the laundry basket",
    "on the roof of the shed",
    "inside an empty boot",
    "next to the well",
    "under the table",
    "in a puddle",
    "behind the couch",
    "on a low branch",
    "in the flower pot",
    "under the bridge",
    "at the bottom of the bag",
];

pub(super) const FOODS: &[&str] = &[
    "apple pie",
    "carrot soup",
    "chocolate cake",
    "pancakes",
    "cookies",
    "bread",
    "jam",
    "noodles",
    "cheese",
    "honey",
    "popcorn",
    "muffins",
    "rice pudding",
    "tomato soup",
    "cherry tart",
    "sandwiches",
    "fruit salad",
    "waffles",
    "potato stew",
    "lemonade",
];

/// What is baked.
pub(super) const CAKES: &[&str] = &[
    "apple pie",
    "chocolate cake",
    "cookies",
    "muffins",
    "sweet bread",
    "cherry tart",
    "waffles",
    "gingerbread",
    "banana bread",
    "plum cake",
    "cinnamon rolls",
    "nut cake",
];

/// Fruits, since they are counted, picked, baked and grown.
pub(super) const COUNTED: &[&str] = &[
    "apples", "berries", "pears", "nuts", "plums", "cherries", "peaches", "lemons", "figs", "tomatoes",
    "oranges", "bananas", "grapes", "melons", "olives", "dates",
];

pub(super) const NUMBERS: &[&str] =
    &["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// A kind of weather: the sky, what it does to people, what one wears.
pub(super) const WEATHER: &[(&str, &str, &str)] = &[
    ("sunny", "The sun was warm", "a straw hat"),
    ("rainy", "The rain tapped on the windows", "rubber boots"),
    ("windy", "The wind pulled at every leaf", "a tight scarf"),
    ("snowy", "Snow lay on the ground", "thick mittens"),
    ("foggy", "The fog hid the houses", "a bright jacket"),
    ("cloudy", "Gray clouds hung in the sky", "a wool sweater"),
    ("hot", "The air was hot and still", "a thin shirt"),
    ("cold", "The air was cold and clear", "a thick coat"),
];

pub(super) const SEASONS: &[&str] = &["spring", "summer", "autumn", "winter"];

pub(super) const DAYS: &[&str] =
    &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A fear: the thing, what it turned out to be.
pub(super) const FEARS: &[(&str, &str)] = &[
    ("the dark", "only a coat on a hook"),
    ("the deep water", "not so deep at all"),
    ("loud thunder", "only a noise far away"),
    ("the big slide", "more fun than anything else"),
    ("the tall ladder", "as firm as a rock"),
    ("the old cellar", "full of jars of jam"),
    ("the neighbor's dog", "the friendliest dog on the street"),
    ("singing in front of people", "easier with each word"),
    ("the creaky stairs", "only old wood that sings"),
    ("the shadow on the wall", "only the branch of a tree"),
];

/// A skill that is learned: base form, past tense, the first mishap.
pub(super) const SKILLS: &[(&str, &str, &str)] = &[
    ("swim", "swam", "swallowed a lot of water"),
    ("bake bread", "baked bread", "burned the crust"),
    ("whistle", "whistled", "blew nothing but air"),
    ("skate", "skated", "fell on the ice"),
    ("juggle", "juggled", "dropped every ball"),
    ("climb trees", "climbed trees", "slid back down"),
    ("tie a knot", "tied a knot", "got a finger caught in it"),
    ("dance", "danced", "stepped on a toe"),
    ("draw a horse", "drew a horse", "drew something like a potato"),
    ("row a boat", "rowed a boat", "went around in circles"),
    ("ride a horse", "rode a horse", "sat the wrong way around"),
    ("write a letter", "wrote a letter", "spilled the ink"),
    ("sew", "sewed", "lost the needle"),
    ("sing a high note", "sang a high note", "made the dog howl"),
];

/// What someone does for a living, and what they carry.
pub(super) const JOBS: &[(&str, &str)] = &[
    ("baker", "a tray of rolls"),
    ("farmer", "a rake"),
    ("doctor", "a black bag"),
    ("teacher", "a pile of books"),
    ("sailor", "a thick rope"),
    ("painter", "a bucket of paint"),
    ("gardener", "a watering can"),
    ("carpenter", "a hammer"),
    ("cook", "a big spoon"),
    ("mail carrier", "a bag of letters"),
    ("firefighter", "a long hose"),
    ("musician", "a violin"),
];
