"""Make the set of spoken words with an open speech synthesizer: python tools/build_spoken_words.py

    apt-get install espeak-ng    # version 1.51 made the embedded file; another version sounds a little different

Every voice is one of the synthesizer's timbres with one of its English accents. It says each word three times, each time at
another pitch, speed and loudness; the numbers come from one seed. What comes out is
brought to 8,000 samples a second, cut to the word, placed at a random moment of 0.6 seconds, and stored in 8 bits (mu-law).
Eight voices are held out, four of them to choose settings by; of the other voices, the third take is.
"""

import io
import json
import lzma
import subprocess
import wave

import numpy as np
from build_manifest import FILES, write_manifest
from scipy.signal import resample_poly

from fmlib._files import atomic_write_bytes
from fmlib.data.spoken_words import FOLDER, RATE, SAMPLES, encode_mu_law

SEED = 2018
WORDS = ("yes", "no", "up", "down", "left", "right", "stop", "go", "one", "two", "three", "four")
TAKES = 3
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-us-nyc")
TRAINING = (
    *("m1", "m2", "m3", "m5", "m7", "m8", "f1", "f2", "f4", "f5", "adam", "Alicia"),
    *(
        "Andrea",
        "Andy",
        "benjamin",
        "boris",
        "caleb",
        "david",
        "edward",
        "steph",
        "linda",
        "mike",
        "zac",
        "klatt2",
    ),
)
VALIDATION = ("m4", "belinda", "john", "Annie")
HELD_OUT = ("m6", "f3", "aunty", "max", "michael", "gene", "anika", "paul")
QUIET = 0.02  # of the peak: below is silence


def speak(word: str, voice: str, pitch: int, speed: int) -> np.ndarray:
    """One word as the synthesizer says it, [samples] at 8,000 a second, silence cut off at both ends, peak 1."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", word]
    said = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(said)) as file:
        rate = file.getframerate()
        # What is written to a pipe says that it is endless: read all that came.
        sound = np.frombuffer(file.readframes(len(said)), "<i2").astype(np.float64)
    if rate != 22_050:
        raise SystemExit(f"espeak-ng speaks {rate} samples a second: expected 22,050")
    sound = resample_poly(sound, 160, 441)
    sound /= np.abs(sound).max()
    loud = np.flatnonzero(np.abs(sound) > QUIET)
    return sound[loud[0] : loud[-1] + 1]


def take(word: str, voice: str, random: np.random.Generator) -> np.ndarray:
    """One recording [SAMPLES]: the word somewhere in the window, fast enough to fit."""
    pitch, speed = int(random.integers(30, 71)), int(random.integers(150, 211))
    loudness, place = random.uniform(0.4, 0.9), random.uniform()
    sound = speak(word, voice, pitch, speed)
    while len(sound) > SAMPLES:
        speed += 20
        sound = speak(word, voice, pitch, speed)
    start = int(place * (SAMPLES - len(sound)))
    recording = np.zeros(SAMPLES)
    recording[start : start + len(sound)] = loudness * sound
    return recording


def main() -> None:
    random = np.random.default_rng(SEED)
    voices = TRAINING + VALIDATION + HELD_OUT
    if len(set(voices)) != len(voices):
        raise SystemExit("a voice is named twice")
    waves, index = [], []
    for number, timbre in enumerate(voices):
        voice = f"{ACCENTS[number % len(ACCENTS)]}+{timbre}"
        for word in range(len(WORDS)):
            for which in range(TAKES):
                waves.append(encode_mu_law(take(WORDS[word], voice, random)))
                index.append([word, number, which])
    names = [f"{ACCENTS[number % len(ACCENTS)]}+{timbre}" for number, timbre in enumerate(voices)]
    splits = {
        "train": list(range(len(TRAINING))),
        "validation": list(range(len(TRAINING), len(TRAINING) + len(VALIDATION))),
        "held_out_voices": list(range(len(TRAINING) + len(VALIDATION), len(voices))),
    }
    document = {"rate": RATE, "words": WORDS, "voices": names, "splits": splits, "recordings": index}
    packed = {
        "waves.xz": np.stack(waves).tobytes(),
        "index.json.xz": json.dumps(document).encode(),
    }
    for name, content in packed.items():
        atomic_write_bytes(FILES / FOLDER / name, lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    manifest = write_manifest()
    for name, entry in manifest.items():
        if name.startswith(FOLDER):
            print(f"{entry['bytes']:>12,}  {name}")


if __name__ == "__main__":
    main()
