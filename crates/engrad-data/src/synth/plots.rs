//! The plots, as templates: what happens, in which order, in how many ways it may be said.
//!
//! A plot is a list of steps; each becomes one or a few sentences. Every story opens with a beginning that brings in
//! the hero and ends with the plot's own end, so a reader knows from the first third what is at stake. Names that a
//! later step uses again (a hiding spot, a count, a color) were said before: that is what context is for.

use super::Dice;
use super::cast::Cast;
use super::template::expand;

/// Writes one story.
pub(super) fn tell(cast: &Cast, dice: &mut Dice) -> String {
    let mut story = String::with_capacity(2048);
    let plot = *dice.pick(PLOTS);
    let opening = *dice.pick(OPENINGS);
    let mut aside = Some(1 + dice.below(2 * plot.len())).filter(|at| *at < plot.len());
    for (index, step) in std::iter::once(&opening).chain(plot).enumerate() {
        story.push(' ');
        expand(step, cast, dice, &mut story);
        if aside.take_if(|at| *at == index).is_some() {
            story.push(' ');
            let remark = *dice.pick(ASIDES);
            expand(remark, cast, dice, &mut story);
        }
    }
    // Empty forms leave double spaces behind.
    let mut tidy = String::with_capacity(story.len());
    for line in story.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.is_empty() {
            if !tidy.is_empty() {
                tidy.push('\n');
            }
            tidy.push_str(&words.join(" "));
        }
    }
    tidy
}

const OPENINGS: &[&str] = &[
    "[Once upon a time|Once|Long ago], there was a {h.kind} named {h}. {^h} was {h.trait} and lived near the {p}.",
    "[Once upon a time|Once|Long ago], a {h.kind} named {h} [lived by the {p}|lived in a small house|lived with {e}]. \
     {^h.he} was [very|always|so] {h.trait}.",
    "{^h} was {a h.trait} {h.kind}. [Every {day}|Each morning|In {season}], {h.he} liked to go {p.to}.",
    "It was {a w} {day} in {season}. {^w.sky}. A {h.kind} named {h} put on {w.wear} and [went out|went outside].",
    "There was once a {h.kind}. {^h.his} name was {h}, and [everyone said that {h.he} was {h.trait}|{h.he} was known \
     to be {h.trait}|no one was as {h.trait} as {h.he} was].",
    "One {w} [day|morning|afternoon], {h} was {p.at}. {^h} was a {h.kind} who [loved {food}|had {a o.full}|was {h.trait}].",
    "In a [house|village|cottage] near the {p} lived a {h.kind} called {h}. {^h.he} was {h.trait}, and {h.his} best \
     friend was {a f.trait} {f.kind} called {f}.",
];

/// What may be seen, heard or thought at any point; nothing that a plot depends on.
const ASIDES: &[&str] = &[
    "[Nearby|Not far away|On the other side of the road], {a x.full} lay on the ground, [but no one saw it|and no one picked \
     it up].",
    "[It smelled of {food}.|The smell of {food} was in the air.|Somewhere, someone was making {food}.]",
    "[Far away, a bell rang {some} times.|The clock in the tower struck {many}.|A bell rang {more} times.]",
    "{^w.sky}[, but {h} did not mind|, and it was {season}|, as so often in {season}].",
    "[{^h} hummed a little song.|{^h} scratched {h.his} ear.|{^h} took a deep breath.|{^h} had to yawn.|{^h} looked up at the \
     sky.]",
    "{^h} thought of the {food2} [that {e} had made on {day}|at home|from the day before] and felt hungry.",
    "[\"What {a w} day,\" said {h} to no one.|\"{^e} would like this,\" thought {h}.|\"I must tell {e} about this,\" thought \
     {h}.]",
    "[A leaf fell slowly to the ground.|A cloud like {a y} went by.|A cloud like {a z} hung over the {r}.|A small wind came up \
     and went away.]",
    "[People came back from the {r} with bags full of {c}.|Two children ran by with {a y.full}.|Someone called from a window.|\
     An old man sat on a chair and ate {c}.]",
    "[{^h} had been {r.at} the day before, but that was nothing like this.|It was not like the {r} here.]",
];

const PLOTS: &[&[&str]] = &[
    LOST, FRIEND, RESCUE, SHARE, FEAR, LEARN, TRADE, COUNT, BAKE, FOUND, WEATHER, GIFT, RACE, RIDDLE, BUILD,
    WORK, GROW, TRUTH,
];

const LOST: &[&str] = &[
    "{^h} had {a o.full}[| from {e}|. It was a gift from {e}]. [More than anything|All day long], {h.he} loved to \
     {o.use}. [But one {day}|Then one morning|One day], the {o} was gone.",
    "[\"Where is my {o}?\" cried {h}.|\"Oh no! My {o.color} {o} is lost!\" said {h}.|{^h} felt a lump in {h.his} throat.] \
     {^h.he} [asked {e} for help|ran to {f}|told {f} about it]. [\"Let us look for it,\" said {f}.|\"Do not worry. \
     We will look together,\" said {f}.|{^f} came to help at once.]",
    "First they looked {s1}. [The {o} was not there.|There was nothing but {a x.full}.|They found only {a x}.] Then \
     they looked {s2}. [It was not there either.|They found {a y.full}, but no {o}.|Still no {o}!]",
    "[\"When did you have it last?\" asked {f}.|\"Think,\" said {f}. \"Where were you yesterday?\"] [\"I was \
     {o.using} {p.at},\" said {h}.|{^h} thought hard. \"I was {p.at},\" {h.he} said.] So they [went|walked|ran] {p.to}.",
    "[There, {s3}, they saw something {o.color}.|{^a n} stood there and {n.sound}. It looked at something {o.color} \
     that was {s3}.|{^f} pointed. \"What is that {o.color} thing {s3}?\"] It was the {o}! ",
    "%[{^h} hugged {f}.|{^h} jumped for joy.|{^h} laughed out loud.] [\"It was not {s1}, and it was not {s2}. It was \
     {s3}!\" {h.he} said.|\"Thank you, {f},\" {h.he} said. \"I would never have looked {s3}.\"] [From then on, {h} \
     always put the {o} back in its place.|That evening, {h} {o.used} again, and {f} stayed to watch.|After that they \
     took turns {o.using}.]",
];

const FRIEND: &[&str] = &[
    "[One {day}|One {w} day], {h} saw {a f.trait} {f.kind} {p.at}. [The {f.kind} sat all alone.|No one was playing \
     with {f.him}.|{^f.he} looked sad.]",
    "[\"Hello. I am {h}. What is your name?\" asked {h}.|\"Who are you?\" asked {h}.] [\"My name is {f},\" said the \
     {f.kind}.|\"I am {f},\" was the quiet answer.] [\"I am new here, and I do not know anyone.\"|\"I came here on {day}.\"|\
     \"We moved here from a house {r.at}.\"]",
    "{^h} thought for a moment. [\"Do you like {food}?\" {h.he} asked.|\"Would you like to {o.use}?\" {h.he} asked. \
     \"I have {a o.full}.\"|\"Come with me. I want to show you {p.sight},\" {h.he} said.] [{^f}'s face lit up.|{^f} \
     nodded.|\"Yes, please,\" said {f}.]",
    "[They played until the sun went down.|They talked and laughed, and time went by fast.|They shared {food} and \
     told each other jokes.] [{^f} said that {f.he} could {skill}.|{^f} told {h} about {a n} that lived {n.home}.|{^h} \
     found out that {f} was afraid of {fear}, just like {h.him}.]",
    "[But then {e} called. It was time to go home.|Then it got dark.] [\"Will you come back tomorrow?\" asked {f}.|\
     {^f} looked down. \"Will I see you again?\"] [\"Of course,\" said {h}.|\"Every day!\" said {h}.]",
    "%The next day, {h} came back {p.to}. {^f} was already there, with {a x.full} in {f.his} hand. \"This is for \
     you,\" said {f}. [{^h} kept the {x} for a long time.|{^h} put the {x} in {h.his} pocket and smiled.] [Now {f} was \
     not alone any more.|From that day on, {h} and {f} were best friends.|And so {h} had a new friend.]",
];

const RESCUE: &[&str] = &[
    "One {day}, {h} heard a sound {p.at}. Something {n.sound}. [{^h} stopped and listened.|\"What was that?\" said {h}.|\
     \"{n.word}!\" it went again.]",
    "It was {a n}! [Its foot was stuck|It was caught] [between two stones|under a branch|in an old net|in a hole]. \
     [It looked up with big eyes.|It was tired and scared.|It could not get out.]",
    "[\"Poor {n},\" said {h}. \"I will help you.\"|\"Do not be afraid,\" said {h} softly.] {^h.he} pulled and pulled, \
     [but nothing moved|but {h.he} was not strong enough|but it was too hard for one]. [So {h} ran to get {f}.|\"I need \
     {f},\" {h.he} thought, and ran off.]",
    "{^f} came with {a o.full}. [\"What can we do with {a o}?\" asked {h}. \"You will see,\" said {f}.|\"This may help,\" \
     {f.he} said.] [Together they pushed as hard as they could.|They counted to {some} and pulled.|They worked for a \
     long time.] At last the {n} was free!",
    "[The {n} was hungry, so they gave it {n.food}.|\"It must be hungry,\" said {f}. They brought some {n.food}, and the \
     {n} ate it all.] [Then it {n.sound} again, but now it sounded happy.|\"{n.word},\" it said, as if to thank them.]",
    "\"Where do you live?\" asked {h}. The {n} {n.moved}, and they followed it. It lived {n.home}[. {^a n.baby} was \
     waiting there|, and there {a n.baby} was waiting for it].",
    "%[{^h} told {e} about it that night.|At home, {h} told {e} the whole story.] [\"You were {h.trait} today,\" said \
     {e}.|\"I am proud of you and {f},\" said {e}.] [Sometimes {h} still goes {p.to} with some {n.food} for the {n}.|And \
     whenever {h} walked {p.to}, the {n} came and {n.sound}.]",
];

const SHARE: &[&str] = &[
    "[{^e} gave {h} {a o.full}.|{^h} got {a o.full} for {h.his} birthday.] {^h.he} wanted to {o.use} all day. {^f} came \
     by and asked, \"May I {o.use} too?\"",
    "[\"No! It is mine!\" said {h}.|\"Not now,\" said {h}, and held the {o} tight.|{^h} shook {h.his} head. \"It is my \
     {o},\" {h.he} said.] [{^f} went away with tears in {f.his} eyes.|{^f} said nothing and walked away.|{^f} was sad and \
     went home.]",
    "{^h} was {o.using} alone. [At first it was nice.|For a while it was fun.] But [soon it was boring|no one was there \
     to laugh with|it was too quiet]. [{^h} thought of {f}.|\"I miss {f},\" {h.he} said to {h.his} {x}.]",
    "{^h} went to {e}. \"[Why am I not happy?|Why is it no fun?]\" {h.he} asked. \"I have the {o.full}.\" [\"{^a o} is just \
     {a o},\" said {e}. \"A friend is more.\"|{^e} smiled. \"Things are better when you share them,\" {e.he} said.]",
    "So {h} took the {o} and some {food} and went to {f}. [{^f} was {r.at}.|{^f} sat {r.at}, all alone.] \"I am sorry, \
     {f},\" said {h}. \"[Will you come and {o.use} with me?|You may {o.use} first.]\"",
    "%[{^f} smiled and took {h.his} hand.|\"Yes!\" said {f}.] [They were {o.using} until dinner, and ate all the {food}.|\
     First {f} {o.used}, and then {h} did.] [It was much more fun with two.|\"This is the best day,\" said {h}, and {f} \
     said so too.|{^h} had learned to share.]",
];

const FEAR: &[&str] = &[
    "{^h} was {h.trait}, but {h.he} was afraid of {fear}. [No one knew it.|Only {e} knew.|{^h.his} heart beat fast when \
     {h.he} thought of it.]",
    "One {day}, {f} said, \"Come with me {p.to}! [We will have so much fun.|I have {food} for us.|I want to show you \
     {p.sight}.]\" [{^h} wanted to go, but there was {fear}.|But to go {p.to}, {h} had to face {fear}.]",
    "[\"I cannot,\" said {h}.|\"Go without me,\" said {h} quietly.] [\"Why not?\" asked {f}.|{^f} looked at {h.him}. \
     \"What is wrong?\"] {^h} took a deep breath. \"I am afraid of {fear},\" {h.he} said. [{^f} did not laugh.|{^f} \
     nodded slowly.]",
    "[\"I am afraid of things too,\" said {f}. \"Take my hand.\"|\"I will stay with you the whole time,\" said {f}.|\"Here, \
     hold my {o.color} {o}. It helps me when I am afraid,\" said {f}.] They went on, [step by step|very slowly]. {^h} counted \
     to {many}. Then {h.he} [opened {h.his} eyes|looked].",
    "And {fear}? It was {fear.truth}! [{^h} began to laugh.|\"Is that all?\" said {h}.|\"Look, {f}!\" {h.he} called.] \
     [{^f} laughed too.|\"I told you,\" said {f}.]",
    "%[That night, {h} told {e}, \"I was afraid of {fear}, but now I know better.\"|From then on, {h} was not afraid of \
     {fear} any more.|After that, {h} went {p.to} with {f} every {day}.] [{^e} gave {h.him} a hug. \"You were brave,\" \
     {e.he} said.|\"It is good to have a friend like {f},\" {h.he} thought.]",
];

const LEARN: &[&str] = &[
    "{^h} wanted to {skill}. [{^f} could do it already.|{^e} could do it so well.|Everyone {p.at} could do it.] \"[I want \
     to {skill} too|Please show me how to {skill}]!\" said {h}.",
    "On Monday, {h} tried, but {h.he} {mishap}. [\"I will never learn it,\" {h.he} said.|{^h.his} cheeks turned red.|{^h} \
     was cross.] [\"Nobody can do it the first time,\" said {e}.|\"Try again,\" said {e}. \"I needed {many} days.\"]",
    "On Tuesday, {h.he} tried again. This time it went [a little|a bit] better. On Wednesday, {f} came and \
     [watched|helped]. [\"Do it slowly,\" said {f}.|\"You must not think so much,\" said {f}.|\"Look at me,\" said {f}, and \
     showed it once more.]",
    "On Thursday, {h} [almost gave up|was tired], [but {e} gave {h.him} {food}|but {f} would not let {h.him} stop]. On \
     Friday, {h} closed {h.his} eyes and thought of [everything {f} had said|the words of {e}].",
    "And then {h} {skilled}! [{^f} clapped.|\"Hooray!\" called {f}.|Even the {n} {n.sound}.] [\"I can {skill}!\" {h} \
     shouted.|\"Did you see that?\" asked {h}.]",
    "%[On Saturday, {h} showed it to everyone {p.at}.|The next week, {a n.baby} wanted to know how to {skill}, and {h} \
     showed it.] [\"At first I {mishap},\" {h.he} told them, and they all laughed.|\"You only have to try again and \
     again,\" said {h}.]",
];

const TRADE: &[&str] = &[
    "{^h} wanted {a o.full}, [but {h.he} had no money|but it cost too much]. All {h.he} had was {a x.full}. So {h} went \
     {p.to} with the {x}.",
    "There {h.he} met {f}, who had {a y.full}. [\"What a nice {x}!\" said {f}.|\"I have been looking for {a x},\" said \
     {f}.] \"[Will you give it to me for my {y}?|I will give you my {y} for it.]\" {^h} [agreed|nodded]. Now {h.he} had \
     the {y.full}.",
    "[A little later|On the way|Then] {h.he} met {a job} with {job.tool}. [\"I need {a y},\" said the {job}.|\"Is that {a \
     y}? I need one for my work,\" said the {job}.] \"Take this {z.full} for it.\" So {h} gave away the {y} and got the {z}.",
    "At last {h} came {r.to}. [There stood {e}.|{^e} was there.] {^e.he} had {a o.full}! \"[I would give this {o}|You may \
     have this {o}] for {a z},\" said {e}[. \"But where can I find one?\"|]. {^h} [laughed|smiled] and held out the {z.full}.",
    "%So {h} got the {o}. [First {h.he} had the {x}, then the {y}, then the {z}, and now the {o}!|The {x} became {a y}, \
     the {y} became {a z}, and the {z} became {a o}!] [{^h} {o.used} all the way home.|That day, {h} {o.used} until it was \
     dark.|{^h} was happy, and so were {f}, the {job} and {e}.]",
];

const COUNT: &[&str] = &[
    "[{^h} found {many} {c} {p.at}.|{^e} gave {h} {many} {c}.] {^h.he} put them in a basket and counted them. \"{^many} \
     {c}!\" {h.he} said.",
    "On the way home, {h} met {f}. [{^f} was hungry.|\"I have none,\" said {f}.|{^f} looked at the basket.] [\"I will \
     give you {some} of my {c},\" said {h}.|\"Take {some},\" said {h}.] Now {h} had {left} {c}, and {f} had {some}.",
    "[\"{^many} take away {some} is {left},\" said {h}.|\"Is that fair?\" asked {f}. \"You have {left} and I have {some}.\"] \
     [{^h} did not mind.|\"It is all right,\" said {h}.] Together they still had {many}.",
    "Then {a n} came by and {n.sound}. [\"It does not want {c}. It wants {n.food},\" said {f}.|\"{n.word}!\" They gave it \
     some {n.food}, and it {n.moved}.] At home, {h} showed the {left} {c} to {e}.",
    "%[\"Where are the others?\" asked {e}. \"You had {many}.\"|\"Only {left}?\" asked {e}.] \"I gave {some} to {f},\" said \
     {h}. [{^e} was glad. \"That was kind,\" {e.he} said, and gave {h} {food}.|\"Then you have something better than {c},\" \
     said {e}. \"You have a friend.\"]",
];

const BAKE: &[&str] = &[
    "It was {e}'s birthday. [{^h} wanted to make {cake}.|\"Let us make {cake} for {e},\" said {h}.] {^f} came to help. \
     [They put on big aprons.|They washed their hands.]",
    "They needed {many} {c}, but there were only {some} in the kitchen. [\"We need {left} more,\" said {f}.|\"{^left} are \
     missing,\" said {f}.] So {h} ran {p.to} and came back with {left} {c}.",
    "[{^f} stirred, and {h} poured in the milk.|They mixed it all in {a o.color} bowl.] [Flour flew through the air.|Soon \
     there was flour on their noses.|A drop fell on the floor, and {a n} ate it up.] [Then they put it in the oven and waited.|It went into the oven.|{^f} put it in the oven.|Into the \
     oven it went.] [They waited and waited.|They sang a song.|\"Is it done?\" asked {h} again and again.]",
    "[But oh! There was smoke!|Suddenly, it smelled burned!|Then they went out to play, and forgot it!] [\"It is all \
     black,\" said {f}.|{^h} began to cry. \"It is ruined,\" {h.he} said.] [\"What shall we do now?\"|\"We have no more {c}.\"]",
    "{^h} had an idea. \"We still have {food2},\" {h.he} said. They put a [candle|flower] on it[ and tied {a o.color} ribbon \
     around the plate|]. [Then {e} came in.|The door opened, and there was {e}.]",
    "%[\"{^food2}!\" said {e}. \"How did you know that I like it best?\"|{^e} looked at the {food2} and smiled.] {^h} told \
     {e.him} about the burned {cake}. [{^e} laughed until tears came.|\"It is the best birthday,\" said {e}.] [They ate every \
     bit of it.|And the {n} got the burned part.]",
];

const FOUND: &[&str] = &[
    "One {day}, {h} found {a o.full} {s1}. [It was not {h.his} own.|{^h} had never seen it before.] [{^h} wanted to keep \
     it so much.|\"How pretty,\" {h.he} said.] But someone must have lost it.",
    "{^h} asked {f}, \"Is this your {o}?\" [\"No,\" said {f}. \"My {o} is not {o.color}.\"|{^f} shook {f.his} head. \"I \
     have only {a x.full}.\"] [\"Ask the {job},\" {f.he} said.|\"Maybe it belongs to the {job}.\"]",
    "The {job} was {p.at} with {job.tool}. \"Is this your {o}?\" asked {h}. [\"It is not mine,\" said the {job}. \"I have \
     no time to {o.use}.\"|\"I wish it were,\" said the {job}.] [\"But I saw someone crying {r.at}.\"|\"Go {r.to}. Someone \
     there is looking for something.\"]",
    "So {h} went {r.to}. A [little girl|little boy] sat there [and cried|with a wet face]. \"[What is wrong?|Why are you \
     crying?]\" asked {h}. \"I lost my {o},\" was the answer. \"What color is it?\" asked {h}. \"It is {o.color}.\"",
    "%{^h} held out the {o.full}. [The tears stopped at once.|\"That is it!\"] \"Where was it?\" \"It was {s1},\" said {h}. \
     [\"Thank you! Do you want to {o.use} with me?\"|\"You are so {h.trait}. Thank you!\"] [And so {h} had no {o}, but a \
     new friend.|{^h} went home with empty hands and a warm heart.|When {e} heard of it, {e.he} made {food} for {h}.]",
];

const WEATHER: &[&str] = &[
    "{^h} and {f} wanted to have a picnic {p.at}. They packed {food}, {food2} and {a o.full}. [\"I cannot wait,\" said \
     {f}.|It was going to be a perfect {day}.]",
    "But [when they were {p.at}|on the way], [dark clouds came|the wind began to blow|it began to rain]. [\"Oh no,\" said \
     {h}. \"Our picnic!\"|Big drops fell on the {food}.] [They ran under a tree.|They hid under the {o.color} {o}.]",
    "[\"This is a bad day,\" said {h}.|{^h} stamped {h.his} foot.|\"I want to go home,\" said {h}.] [\"Wait,\" said {f}. \
     \"I know a place.\"|But {f} was {f.trait}. \"We will find a dry place,\" {f.he} said.] They ran {r.to}.",
    "It was dry there. {^a n} was there too, and it {n.sound}. [\"It is hiding from the rain, like us,\" said {h}.|\"It has \
     come a long way. It lives {n.home},\" said {f}.] They [sat down next to it|made room for it] and ate the {food}. [The \
     {n} got some {n.food}.|The {n} would not eat {food2}. It wanted {n.food}.]",
    "[They listened to the rain and told stories.|They counted their {c}, and there were {many}.|{^f} showed {h} how to {skill}.] \
     [Then the sun came out.|When they looked up, the rain was over.] There was a rainbow over the {p}!",
    "%[\"That was the best picnic,\" said {h}.|\"If it had not rained, we would not have met the {n},\" said {f}.] [At home, \
     {e} asked, \"Did the rain spoil your day?\" \"No,\" said {h}, \"it made it better.\"|They ate the {food2} on the way \
     home, and nothing was left.]",
];

const GIFT: &[&str] = &[
    "Soon it was {f}'s birthday. {^h} wanted to give {f.him} something special. [\"What does {f} like?\" {h.he} asked {e}.|\
     But what?] [\"{^f} likes all things that are {o.color},\" said {e}.|{^h} remembered that {f} liked {o.color} things \
     best.]",
    "{^h} went {p.to} and looked around. There was {a x.full}, but it was not {o.color}. There was {a y.full}, but [it cost \
     too much|that was not right either]. [{^h} was sad.|{^h} sat down on a step.]",
    "\"I will make something myself,\" {h.he} said. {^h} took [wood|paper|cloth] and {o.color} paint. [{^h.he} worked for \
     {many} days.|{^h.he} worked every evening until {h.he} was tired.|{^e} helped {h.him} a little.] It became {a o}, {a \
     o.color} one.",
    "On {day}, {h} brought the gift. [{^h.his} hands shook.|\"I hope you like it,\" {h.he} said.|\"I made it myself,\" said \
     {h}.] {^f} opened it [slowly|fast]. [\"{^a o}! And it is {o.color}!\" {f.he} cried.|{^f.his} eyes grew wide.]",
    "%[\"It is the best gift of all,\" said {f}.|\"Nobody else has {a o} like this,\" said {f}.] They {o.used} together, and \
     then they ate {food}. [{^h} was so glad that {h.he} had not bought the {y}.|And {f} kept the {o} {s1}, where no one but \
     {h} would find it.]",
];

const RACE: &[&str] = &[
    "[{^f} was the fastest runner {p.at}.|\"I am faster than you,\" said {f}.|Everyone knew that {f} could run fast.] [\"Let \
     us race,\" {f.he} said|\"Shall we have a race?\" {f.he} asked], \"from the {p} to the {r}!\" {^h} [was not fast, but \
     said yes|nodded].",
    "{^e} [called, \"Ready, set, go!\"|dropped {a o.color} scarf, and off they went.] {^f} was [soon far ahead|in front \
     right away]. [{^h} could hardly see {f.him}.|{^h} ran and ran.] [\"I have time,\" thought {f}, and stopped to eat \
     {food}.|{^f} laughed and lay down {s1}.]",
    "{^h} did not stop. [{^h.he} passed the {job} with {job.tool}.|{^h.he} ran past {a n} that {n.sound}.] [{^h.his} legs \
     hurt, but {h.he} went on.|\"Go on, {h}!\" people called.]",
    "[When {f} looked up, {h} was almost {r.at}.|Then {f} saw {h} pass by.] {^f} jumped up [and ran as fast as {f.he} \
     could|but it was too late]. [Just before the end, {f} fell.|{^f} tripped over {a x.full}.] \"Ouch!\" {f.he} cried.",
    "{^h} heard it. [{^h.he} could win now.|It was only {many} steps to the end.] But {h.he} turned around and [helped {f} \
     up|gave {f} {h.his} hand]. \"[Are you hurt?|Can you walk?]\" {h.he} asked. [\"Why did you stop?\" asked {f}.|{^f} could \
     not believe it.]",
    "%[They crossed the line together, hand in hand.|Side by side, they came to the end.|Then they walked to the end together.|Slowly, they crossed the line together.] [\"Who won?\" asked {e}. \"We both did,\" said {h}.|{^e} gave {some} \
     {c} to each of them.] [{^f} never said again that {f.he} was the fastest.|From that day on, {f} ran every race with \
     {h}.]",
];

const RIDDLE: &[&str] = &[
    "One {day}, {h} met {e} {p.at}. [\"I have a riddle for you,\" said {e}.|\"Do you like riddles?\" asked {e}.] \"[It has \
     a voice and goes '{n.word}.' It eats {n.food}. What is it?|It lives {n.home}, and it eats {n.food}. What is it?]\"",
    "{^h} thought about it. [\"Is it a lion?\" {h.he} asked.|\"Is it a bee?\" {h.he} asked.|\"Give me a hint,\" {h.he} \
     said.] [{^e} only smiled.|\"Look around you,\" said {e}.] So {h} went to ask {f}.",
    "{^f} was {r.at}. [\"That is easy,\" said {f}. \"Listen!\"|\"Let us go and look,\" said {f}.] They [went on tiptoe|were \
     very quiet]. Something {n.sound}. \"{n.word}!\" And there it was[, eating {n.food}|].",
    "\"It is {a n}!\" cried {h}. [The {n} {n.moved}.|The {n} had {a n.baby} with it.] They ran back to {e}. \"It is {a n},\" \
     said {h}[, \"because it goes '{n.word}'|, \"because it eats {n.food}].\"",
    "%[\"Right!\" said {e}. \"{^a n} it is.\"|{^e} clapped {e.his} hands.] {^e.he} gave {h} and {f} {food}. [\"Now I have a \
     riddle for you,\" said {h}. \"What is {o.color} and always {s1}?\" \"Your {o},\" said {e}, and they all laughed.|On the \
     way home, {h} and {f} made up riddles about every animal they knew.]",
];

const BUILD: &[&str] = &[
    "{^h} and {f} wanted to build a [house in a tree|little boat|tower of stones|house of snow|raft] {p.at}. [\"It will be \
     the best one in the world,\" said {f}.|{^h} had drawn a plan.] They had {some} boards, {many} nails and {a o.full}.",
    "[\"I want it to be {o.color},\" said {h}. \"I want it to be big,\" said {f}.|{^f} wanted to begin at the top, and {h} \
     wanted to begin at the bottom.] [They began to fight.|Soon they were shouting.|They did not talk for a long time.] Each one \
     built alone.",
    "But {h} could not [lift the boards|hold the nails] alone. And {f}'s part [fell down|broke]. [\"It does not work,\" said \
     {h}.|{^f} sat down and sighed.] {^a n} looked at them and {n.sound}. [It seemed to laugh.|\"{n.word},\" it said.]",
    "[\"I am sorry,\" said {h}.|\"Let us do it together,\" said {f}.] [\"It can be {o.color} and big,\" said {f}.|\"First your \
     idea, and then mine,\" said {h}.] [{^h} held the boards, and {f} used the hammer.|One held, and the other tied the \
     knots.] The {job} came by and gave them {job.tool}.",
    "%In the evening, it was done. [It was big, and it was {o.color}.|It was a little crooked, but it stood.] [They sat in it \
     and ate {food}.|{^e} came to see it. \"Who made this?\" {e.he} asked. \"We did,\" they said.] [And the {n} came too, \
     to eat {n.food}.|\"Two can do what one cannot,\" said {f}.]",
];

const WORK: &[&str] = &[
    "{^h} wanted to be {a job}. [\"What does {a job} do all day?\" {h.he} asked {e}.|Every day {h.he} watched the {job} \
     {p.at}.] [\"Go and ask,\" said {e}.|So one {day}, {h.he} went there.]",
    "The {job} carried {job.tool}. \"May I help you?\" asked {h}. [\"You are small,\" said the {job}, \"but you may \
     try.\"|\"I could use some help,\" said the {job}.] \"First, bring me the {x.full}. Then, bring me the {y.full}. And do not \
     forget the {z}!\"",
    "{^h} [said the words again and again|ran off]: \"{^x}, {y}, {z}.\" {^h.he} found the {x} {s1}. {^h.he} found the {y} {s2}. \
     But the {z} was nowhere. [\"What was the third thing?\" asked {f}. \"The {z},\" said {h}.|{^f} helped {h.him} look.]",
    "[At last they saw it {s3}.|Then {h} looked {s3}, and there it was.] {^h} brought the {x}, the {y} and the {z} to the \
     {job}. [\"Well done,\" said the {job}. \"You forgot nothing.\"|The {job} was amazed.]",
    "%[For {h.his} work, {h} got {some} {c}.|The {job} gave {h} {food}.] \"[Where was the {z}?|The {z} was hard to find.]\" \
     [\"It was {s3},\" said {h}.|said {h} to {e} that night. \"It was {s3}.\"] [\"Tomorrow you may hold {job.tool},\" said the \
     {job}.|{^h} fell asleep and dreamed that {h.he} was {a job}.]",
];

const GROW: &[&str] = &[
    "[{^e} gave {h} a seed.|In spring, {h} found a seed {s1}.] It was small and {o.color}. [\"What will it become?\" asked \
     {h}. \"Wait and see,\" said {e}.|\"Put it into the earth, and wait,\" said {e}.] {^h} planted it {p.at}.",
    "The next day, {h} looked. Nothing. [{^h.he} gave it water.|{^h.he} sang to it.] After {some} days, {h} looked again. \
     Still nothing. [\"It is dead,\" said {f}.|\"Maybe it is only a stone,\" said {f}.] [\"It needs time,\" said {e}.|But {h} \
     was {h.trait} and did not give up.]",
    "After {many} days, there was something green! [\"Look, {f}!\" cried {h}.|{^h} danced around it.] [But {a n} came, and it \
     wanted to eat the plant. {^h} gave it {n.food}, and it {n.moved}.|One night, it was cold, and {h} put {h.his} scarf around it.|A strong wind came, and {h} tied it \
     to a stick.]",
    "In summer, the plant was as tall as {h}. [It had a flower, and the flower was {o.color}, just like the seed.|Bees came and \
     buzzed around it.] In autumn, there were {many} {c} on it. {^many} {c} from one small {o.color} seed!",
    "%[{^h} gave {some} of them to {f} and kept {left}.|{^h} ate {left} and gave {some} to {f}.] [\"I said it was dead,\" said \
     {f}. \"I was wrong.\"|\"You waited {many} days,\" said {f}. \"I would not have.\"] [In each one there was a seed. \"Next \
     spring,\" said {h}, \"we will plant them all.\"|And {e} made {food} for all of them.]",
];

const TRUTH: &[&str] = &[
    "{^e} had {a o.full}. {^h} was not allowed to touch it. But one {day}, when no one was looking, {h} {o.used}. [Crack! It \
     broke.|Then it fell down and broke.|And then there was a crack in it.]",
    "[\"Oh no,\" whispered {h}.|{^h}'s heart beat fast.] {^h.he} hid the {o} {s1}. [No one had seen it but {a n}, and it only \
     {n.sound}.|Only {f} had seen it.] At dinner there was {food}, but {h} could not eat.",
    "\"Where is my {o}?\" asked {e}. [\"I do not know,\" said {h}, and looked at {h.his} feet.|{^h} said nothing.] [\"Maybe the \
     {n} took it,\" said {h}.|\"Maybe it is {s2},\" said {h}.] {^e} looked [{s2}|everywhere], but it was not there.",
    "[That night, {h} could not sleep.|{^h} lay awake and thought of the {o.color} {o}.] [\"You should tell the truth,\" {f} had \
     said.|It felt like a stone in {h.his} belly.] At last {h.he} got up and went to {e}. \"I broke your {o}. It is {s1},\" \
     {h.he} said[, and began to cry|].",
    "%[{^e} was quiet for a moment.|{^e} was not angry.] [\"The {o} can be mended,\" said {e}. \"I am glad that you told me.\"|\
     \"Thank you for telling the truth,\" said {e}. \"That was harder than to hide it {s1}.\"] [The next day they mended it \
     together.|Together they put glue on it.] [Now it had a crack, but {h} liked it even more.|And after that, {h} always told \
     the truth.]",
];
