"""What the tests of image sets share."""

from served import server as server
