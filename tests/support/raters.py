"""Rate images with real programs: exiftool and exiv2, in the way of digiKam and darktable."""

import subprocess
from pathlib import Path

from tests.support import needs


def exiftool(*arguments: str | Path) -> None:
    """Run exiftool without a backup copy of the file."""
    needs.program("exiftool", "libimage-exiftool-perl")
    command = ["exiftool", "-q", "-overwrite_original", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def exiv2(*arguments: str | Path) -> None:
    """Run exiv2."""
    needs.program("exiv2", "exiv2")
    done = subprocess.run(["exiv2", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def darktable_sidecar(image: Path, stars: int) -> Path:
    """Write the sidecar of an image as darktable does: the properties are attributes."""
    path = image.with_name(image.name + ".xmp")
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:darktable="http://darktable.sf.net/"
   exif:DateTimeOriginal="2024:05:06 12:34:56.000"
   xmp:Rating="{stars}"
   xmpMM:DerivedFrom="{image.name}"
   darktable:import_timestamp="63850509296000000"
   darktable:change_timestamp="-1"
   darktable:xmp_version="5"
   darktable:raw_params="0"
   darktable:auto_presets_applied="1"
   darktable:history_end="1">
   <darktable:masks_history>
    <rdf:Seq/>
   </darktable:masks_history>
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:operation="colorin"
      darktable:enabled="1"
      darktable:params="gz48eJzjZBgFowABWAbaAaNgwAEAMNgADg=="/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
    )
    return path
