"""Every rule of what a caption mentions, misses and invents, by cases whose ids name the rule.

A bag is written as "gender=female, age=34 (34 years old), brown_hair"; what stands in brackets is its phrase, the
vocabulary's first unless given.
"""

import re

import pytest
from support.paths import ROOT

from text2face_core.language.fidelity.check import check_caption
from text2face_core.language.vocabulary import Vocabulary
from text2face_core.records import Bag, BagItem

VOCABULARY = Vocabulary.load()
WORDINGS = ROOT / "tests" / "data" / "wordings.txt"


def bag_of(written):
    items = []
    for name, text, phrase in re.findall(r"(\w+)(?:=([\w.]+))?(?: \(([^)]*)\))?(?:, |$)", written):
        number = text.replace(".", "").isdigit()
        value = float(text) if number else {"": True, "True": True, "False": False}.get(text, text)
        finding = VOCABULARY.findings[name]
        items.append(BagItem(name, value, phrase or VOCABULARY.words(name, value).phrases[0].text, finding.level))
    return Bag(tuple(items))


def cases(table):
    """Lines of "rule | bag | caption | missed | invented"."""
    rows = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines() if line.strip()]
    return [pytest.param(*row[1:], id=f"{row[0]}: {row[2]}") for row in rows]


def names(written):
    return sorted(written.split())


MENTIONS = """
M1 grammar    | big_nose, chubby | chubby, big nose | |
M1 order      | brown_hair, hair_length=long | Her hair falls long and brown. | | gender
M1 order      | brown_hair | hair that is brown | |
M1 order      | brown_hair | hair of a deep brown | |
M1 order      | brown_hair | hair color: brown | |
M1 signs      | age=34 (34 years old), no_beard | a 34‑year‑old, clean‐shaven person | |
M1 order      | big_lips, big_nose | a big nose and lips | |
M1 order      | eye_openness=closed, mouth_openness=closed | eyes and mouth closed | |
M1 inflection | arched_eyebrows | His eyebrow is arched. | | gender
M1 twice      | eyeglasses | He wears glasses. The glasses are spectacles. | | gender
M1 other part | wavy_hair, big_nose | with a wavy, big nose | |
M2 noun       | gender=female | a lady | |
M2 noun       | gender=female | the girl | |
M2 several    | gender=female | the girls | | other
M2 noun       | gender=male | gentleman | |
M2 adjective  | gender=male | a male person | |
M2 adjective  | gender=female | feminine features | |
M2 pronoun    | gender=female | She is shown here. | |
M2 pronoun    | gender=male | a person and his face | |
M2 Latina     | gender=female, ethnicity=latino_hispanic | a Latina | |
M2 Latino     | gender=male, ethnicity=latino_hispanic | a Latino | gender |
M2 nothing    | gender=male | They are a person, an individual. | gender |
M2 compound   | gender=male | a businessman | | other
M2 compound   | gender=female | a grandmother | |
M2 CelebA     | male=True | a man | |
M2 CelebA     | male=False (woman) | her face | |
M2 both       | gender=male | his or her face | gender |
M3 number     | age=34.2 (34 years old) | 34 years old | |
M3 number     | age=34.2 (34 years old) | a 34-year-old | |
M3 number     | age=34.2 (34 years old) | aged 36 | |
M3 number     | age=34.2 (34 years old) | a man of thirty-four | | gender
M3 number     | age=34.2 (34 years old) | a thirty-four-year-old | |
M3 number     | age=34.2 (34 years old) | age: 34 | |
M3 number     | age=34.2 (34 years old) | female, 34, white | | gender ethnicity
M3 number     | age=34.2 (34 years old) | around 34 years of age | |
M3 number     | age=34.2 (34 years old) | 37 years old | |
M3 number     | age=34.2 (34 years old) | 38 years old | age | age
M3 number     | age=34.2 (36 years old) | 39 years old | |
M3 value      | age=34.2 (36 years old) | 32 years old | |
M3 bracket    | age=34.2 (29 to 39 years old) | 42 years old | |
M3 bracket    | age=34.2 (29 to 39 years old) | 43 years old | age | age
M3 bracket    | age=34.2 (34 years old) | 30-40 years old | |
M3 bracket    | age=34.2 (34 years old) | between 30 and 40 | |
M3 bracket    | age=34.2 (29 to 39 years old) | a 29-to-39-year-old | |
M3 bracket    | age=34.2 (29 to 39 years old) | aged 38 to 48 | |
M3 bracket    | age=34.2 (29 to 39 years old) | aged between 40 and 50 | age | age
M3 decade     | age=34.2 (34 years old) | in her thirties | | gender
M3 decade     | age=34.2 (34 years old) | in his mid-30s | | gender
M3 decade     | age=34.2 (34 years old) | in her 40s | age | age gender
M3 decade     | age=34.2 (34 years old) | in her late twenties | age | age gender
M3 decade     | age=34.2 (34 years old) | thirty-something | |
M3 word       | age=34.2 (34 years old) | a young adult | |
M3 word       | age=34.2 (34 years old) | a young woman | | gender
M3 word       | age=34.2 (34 years old) | youthful | |
M3 word       | age=34.2 (34 years old) | an adult | |
M3 word       | age=34.2 (34 years old) | a middle-aged person | age | age
M3 word       | age=34.2 (34 years old) | a teenager | age | age
M3 word       | age=34.2 (29 to 39 years old) | middle-aged | |
M3 baby       | age=1.0 (baby) | an infant | |
M3 toddler    | age=3.0 (toddler) | a toddler | |
M3 preschool  | age=5.0 (preschooler) | a preschool boy | | gender
M3 child      | age=8.0 (child) | a little girl | | gender
M3 child      | age=8.0 (child) | a little white girl | | gender ethnicity
M3 child      | age=8.0 (child) | a kid | |
M3 child      | age=8.0 (child) | a girl | age | gender
M3 teen       | age=15.0 (teenager) | an adolescent | |
M3 teen       | age=15.0 (teenager) | 19 years old | |
M3 teen       | age=15.0 (teenager) | 24 years old | age | age
M3 older      | age=57.0 (57 years old) | an older man | | gender
M3 senior     | age=64.0 (64 years old) | a senior citizen | |
M3 elderly    | age=64.0 (64 years old) | an elderly man | age | age gender
M3 elderly    | age=70.0 (70 years old) | an old man | | gender
M3 category   | age=34.2 (adult) | 60 years old | |
M3 category   | age=34.2 (young adult) | 20 years old | |
M3 category   | age=34.2 (young adult) | 37 years old | |
M3 category   | age=34.2 (young adult) | 40 years old | age | age
M3 category   | age=80.0 (elderly) | in his seventies | | gender
M3 category   | age=80.0 (elderly) | a senior | |
M3 bare       | age=34.2 (adult) | a woman | age | gender
M3 both       | age=34.2 (34 years old) | a 34-year-old teenager | | age
M4 synonym    | ethnicity=white | a Caucasian | |
M4 synonym    | ethnicity=white | of European descent | |
M4 synonym    | ethnicity=black | an African American | |
M4 synonym    | ethnicity=black | an African woman | | gender
M4 synonym    | ethnicity=asian | East Asian | |
M4 synonym    | ethnicity=indian | South Asian | |
M4 synonym    | ethnicity=asian | South Asian | ethnicity | ethnicity
M4 synonym    | ethnicity=latino_hispanic | Latino | |
M4 synonym    | ethnicity=middle_eastern | an Arab man | | gender
M4 skin       | ethnicity=white | white skin | |
M4 skin       | ethnicity=white | a white complexion | |
M4 skin       | ethnicity=asian | white skin | ethnicity | pale_skin
M4 skin       | ethnicity=black | dark skin | ethnicity | skin_tone
M4 vague      | ethnicity=black | a person of color | ethnicity |
M4 sense      | ethnicity=black | black hair | ethnicity | black_hair
M4 sense      | ethnicity=white | a white shirt | ethnicity | other
M4 sense      | ethnicity=white | a black and white photo | ethnicity | monochrome
M4 sense      | ethnicity=black, black_hair | a black woman with black hair | | gender
M5 family     | emotion=happiness | joyful | |
M5 family     | emotion=sadness | a melancholy look | |
M5 family     | emotion=anger | furious | |
M5 family     | emotion=surprise | astonished | |
M5 family     | emotion=fear | frightened | |
M5 family     | emotion=disgust | repulsed | |
M5 family     | emotion=neutral | calm | |
M5 family     | emotion=neutral | a serious expression | |
M5 family     | emotion=neutral | an impassive, blank face | |
M5 stern      | emotion=anger | stern | |
M5 stern      | emotion=neutral | a stern look | |
M5 noun       | emotion=fear (partly afraid), emotion=surprise (partly surprised) | a mix of fear and surprise | |
M5 two        | emotion=fear (partly afraid), emotion=surprise (partly surprised) | partly afraid | emotion |
M5 smile      | emotion=happiness | smiling | |
M5 smile      | smiling | a grin | |
M5 smile      | smiling | laughing | |
M5 smile      | smiling, emotion=happiness | a broad smile | |
M5 happy      | smiling | happy | smiling |
M5 happy      | smiling, emotion=happiness | happy | smiling |
M5 bare       | emotion=sadness | an expression | emotion |
M6 colour     | blond_hair | a blonde | |
M6 colour     | blond_hair | a blonde woman | | gender
M6 colour     | brown_hair | a brunette | |
M6 colour     | red_hair | a redhead | |
M6 colour     | brown_hair, bangs | brown bangs | |
M6 colour     | black_hair | raven locks | |
M6 dark       | black_hair | dark hair | |
M6 dark       | brown_hair | dark hair | |
M6 dark       | brown_hair | dark-haired | |
M6 gray       | gray_hair | silver hair | |
M6 gray       | gray_hair | salt-and-pepper hair | |
M6 gray       | gray_hair | white-haired | |
M6 red        | red_hair | auburn hair | |
M6 red        | red_hair | ginger locks | |
M6 blond      | blond_hair | golden hair | |
M6 blond      | blond_hair | fair hair | |
M6 wavy       | wavy_hair | curls | |
M6 wavy       | wavy_hair | curly-haired | |
M6 length     | hair_length=medium | shoulder-length hair | |
M6 length     | hair_length=short | cropped hair | |
M6 length     | hair_length=short | a buzz cut | |
M6 length     | hair_length=long, brown_hair | long, brown hair | |
M6 fringe     | bangs | a fringe | |
M6 beard      | brown_hair | a brown beard | brown_hair | other
M6 bangs      | hair_length=long, bangs | long bangs | hair_length |
M6 thinning   | receding_hairline | thinning hair | |
M6 thinning   | receding_hairline | thinning on top | |
M6 thinning   | receding_hairline | his hairline is receding | | gender
M6 sense      | brown_hair | brown eyes | brown_hair | other
M6 sense      | black_hair | a black hat | black_hair | other wearing_hat
M7 wide       | eye_openness=fully_open | wide-eyed | |
M7 wide       | eye_openness=fully_open | with her eyes wide open | | gender
M7 half       | eye_openness=partly_open | half-closed eyes | |
M7 half       | eye_openness=partly_open | eyes partly closed | |
M7 parted     | mouth_openness=slightly_open | parted lips | |
M7 parted     | mouth_slightly_open | lips parted | |
M7 agape      | mouth_openness=slightly_open | mouth slightly agape | |
M7 bare       | mouth_openness=fully_open | an open mouth | |
M7 bare       | mouth_openness=slightly_open | an open mouth | mouth_openness |
M7 bare       | mouth_slightly_open | mouth open | mouth_slightly_open |
M7 bare       | eye_openness=partly_open | open eyes | eye_openness |
M7 bare       | eye_openness=fully_open | eyes open | |
M7 toothy     | teeth_visible, smiling | a toothy smile | |
M7 teeth      | teeth_visible | showing her teeth | | gender
M7 squint     | narrow_eyes | squinting | |
M7 squint     | eye_openness=partly_open | squinting | |
M8 nose       | big_nose | a prominent nose | |
M8 nose       | big_nose | a broad nose | |
M8 lips       | big_lips | plump lips | |
M8 lips       | big_lips | thick lips | |
M8 brows      | bushy_eyebrows | thick brows | |
M8 cheekbones | high_cheekbones | defined cheekbones | |
M8 cheekbones | high_cheekbones | prominent cheekbones | |
M8 cheeks     | chubby | plump cheeks | |
M8 round      | oval_face | a round face | oval_face | oval_face
M8 round      | chubby | a round face | chubby | other
M8 bags       | bags_under_eyes | dark circles under his eyes | | gender
M8 bags       | bags_under_eyes | pouches | |
M8 pale       | pale_skin | fair skin | |
M8 pale       | pale_skin | a light complexion | |
M8 pale       | pale_skin | porcelain skin | |
M8 tone       | skin_tone=monk_09 (dark skin) | dark-skinned | |
M8 tone       | skin_tone=monk_09 (dark skin) | light skin | skin_tone | skin_tone
M8 tone       | skin_tone=monk_02 (light skin) | light skin | |
M8 tone       | skin_tone=monk_05 (tan skin) | tanned skin | |
M8 stubble    | five_o_clock_shadow | stubble | |
M8 stubble    | five_o_clock_shadow | a 5 o’clock shadow | |
M8 shaven     | no_beard (clean-shaven) | clean-shaven | |
M8 shaven     | no_beard (clean-shaven) | no facial hair | |
M8 shaven     | no_beard (clean-shaven) | without a beard | |
M8 bald       | bald | balding | |
M8 bald       | hair_length=bald | no hair | |
M8 hat        | wearing_hat | a cap | |
M8 glasses    | eyeglasses | sunglasses | eyeglasses | sunglasses
M8 glasses    | eyeglasses | a pair of spectacles | |
M9 blurry     | blurry | The photo is out of focus. | |
M9 blurry     | blurry | a blurred image | |
M9 blurry     | blurry | a blurry background | blurry | other
M9 monochrome | monochrome | a grayscale portrait | |
M9 monochrome | monochrome | The image is black and white. | |
M9 monochrome | monochrome | a black-and-white photo | |
M9 monochrome | monochrome | a black and white dress | monochrome | other
M10 denied    | eyeglasses | without glasses | eyeglasses | eyeglasses
M10 denied    | wearing_hat | Hat: None | wearing_hat | wearing_hat
M10 denied    | teeth_visible | no visible teeth | teeth_visible | teeth_visible
M10 denied    | smiling | not smiling | smiling | smiling
M10 denied    | smiling | without a smile | smiling | smiling
M10 denied    | wearing_hat, eyeglasses | not wearing a hat or glasses | wearing_hat eyeglasses | eyeglasses wearing_hat
M10 not so    | wearing_hat | no glasses, a hat | |
M10 not so    | wearing_hat | without glasses but with a hat | |
M10 not so    | smiling | not only smiling | |
M11 foreign   | gender=female, brown_hair | Una mujer con pelo castaño | brown_hair gender |
M11 foreign   | gender=female, brown_hair | Eine junge Frau hat braune Haare. | brown_hair gender |
M11 foreign   | gender=female, brown_hair | 一个女人 | brown_hair gender |
M11 foreign   | gender=female, brown_hair | A woman with 棕色 hair. | brown_hair |
M12 echo      | gender=female, brown_hair | Describe a person: woman, brown hair | |
"""

INVENTIONS = """
I1 not held     | gender=female | a woman with glasses | | eyeglasses
I1 contradicts  | hair_length=long | short hair | hair_length | hair_length
I1 both         | mouth_openness=slightly_open | a slightly open mouth, fully open | | mouth_openness
I1 both         | eye_openness=closed | closed eyes. Her eyes are open. | | eye_openness gender
I2 age          | gender=female | a young woman | | age
I2 age          | gender=female | a woman in her 30s | | age
I2 age          | gender=female | a teenage girl | | age
I2 mouth        | gender=female | a woman with parted lips | | mouth_openness
I2 gender       | age=34 (34 years old) | a 34-year-old man | | gender
I2 gender       | gender=female | a woman; his hair | | gender
I2 bald         | gender=male | a man with no hair | | bald
I2 bald         | gender=male | a bald man | | bald
I2 pale         | gender=male | a pale man | | pale_skin
I2 pale         | gender=male | a man with fair skin | | pale_skin
I2 tone         | gender=male | a man with dark skin | | skin_tone
I2 tone         | gender=male | an olive-skinned man | | skin_tone
I2 colour       | brown_hair | black hair and brown hair | | black_hair
I2 length       | hair_length=short | long hair; short hair | | hair_length
I2 smile        | gender=male | a smiling man | | smiling
I2 feeling      | gender=male | a sad man | | emotion
I2 feeling      | emotion=sadness | sad and angry | | emotion
I2 looks        | gender=male | a handsome man | | attractive
I2 looks        | gender=female | a pretty woman with striking features | | attractive
I2 pretty       | big_nose | a pretty big nose | |
I3 beard        | no_beard (clean-shaven) | a beard | no_beard | no_beard
I3 beard        | gender=male | a bearded man | | other
I3 beard        | goatee | a goatee and a beard | | other
I3 goatee       | goatee | a goatee beard | |
I3 shaven       | gender=male | a clean-shaven man | | no_beard
I3 shaven       | gender=male | a man with no beard | | no_beard
I4 eyes         | gender=female | a woman with blue eyes | | other
I4 eyes         | brown_hair | brown hair and eyes | | other
I4 clothes      | gender=female | a woman in a red dress | | other
I4 clothes      | ethnicity=white | a person in white | ethnicity | other
I4 background   | gender=female | a woman in front of a wall | | other
I4 job          | gender=female | a woman who is a doctor | | other
I4 somebody     | gender=male | a man whose wife is here | | other
I4 name         | gender=female | a woman named Emily | | other
I4 body         | gender=female | a slender woman | | other
I4 character    | gender=female | a confident, carefree woman | | other
I4 mood         | gender=female | a woman with an air of elegance | | other
I4 quality      | smiling | a cheeky smile | | other
I4 quality      | wearing_hat | a wide-brimmed hat | | other
I4 quality      | wearing_earrings | gold earrings | | other
I4 quality      | brown_hair | lustrous brown hair | | other
I5 held         | eyeglasses | no glasses | eyeglasses | eyeglasses
I5 held         | blurry | The image is not blurry. | blurry | blurry
I5 not held     | gender=female | a woman with no glasses | |
I5 not held     | gender=female | a woman without makeup, hat or jewelry | |
I5 not held     | gender=female | a woman neither smiling nor wearing glasses | |
I5 not held     | gender=female | a woman, not smiling, nor is she wearing lipstick | |
I6 degree       | big_nose | a very distinctive, slightly big nose | |
I6 filler       | big_nose | a big nose, creating a coherent description | |
I6 task         | big_nose | Sure! Here is a caption that uses the words given: a big nose. | |
I6 refusal      | big_nose | I'm sorry, but I can't help with that request. | big_nose |
I6 refusal      | big_nose | As an AI language model, I cannot generate images. | big_nose |
I6 dark         | brown_hair | dark brown hair | |
I6 dark         | gender=female | a woman with dark hair | | black_hair
I6 follows      | bald | a bald head | |
I6 follows      | emotion=happiness | a happy face with a smile | |
I6 follows      | eyeglasses | a person with glasses on the nose and eyes behind them | |
"""


@pytest.mark.parametrize(("bag", "caption", "missed", "invented"), cases(MENTIONS))
def test_rules_of_mentions(bag, caption, missed, invented):
    verdict = check_caption(caption, bag_of(bag), VOCABULARY)
    assert (sorted(verdict.missed), sorted(verdict.invented)) == (names(missed), names(invented))


@pytest.mark.parametrize(("bag", "caption", "missed", "invented"), cases(INVENTIONS))
def test_rules_of_inventions(bag, caption, missed, invented):
    verdict = check_caption(caption, bag_of(bag), VOCABULARY)
    assert (sorted(verdict.missed), sorted(verdict.invented)) == (names(missed), names(invented))


def wordings():
    lines = WORDINGS.read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line and not line.startswith("#")]
    return [pytest.param(*row, id=f"{row[0]}: {row[1]}") for row in rows]


@pytest.mark.parametrize(("bag", "caption", "missed", "invented"), wordings())
def test_other_ways_to_say_it(bag, caption, missed, invented):
    verdict = check_caption(caption.replace("\\n", "\n"), bag_of(bag), VOCABULARY)
    assert (sorted(verdict.missed), sorted(verdict.invented)) == (names(missed), names(invented))
